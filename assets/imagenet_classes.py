"""Writes imagenet_classes.txt, the class names of the published 1000-class heads, one a line.

    python imagenet_classes.py > imagenet_classes.txt

The names are those that torchvision (BSD-3-Clause) ships with its weights.
"""

from torchvision.models._meta import _IMAGENET_CATEGORIES

print("\n".join(_IMAGENET_CATEGORIES))
