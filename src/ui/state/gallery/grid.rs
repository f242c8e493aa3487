//! Where each picture of the gallery lies. Rows are found by halving, so that a hundred thousand pictures cost no more than ten.

use super::Section;
use std::ops::Range;

/// Where the cursor goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// One picture back.
    Left,
    /// One picture on.
    Right,
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// This many rows up.
    PageUp(usize),
    /// This many rows down.
    PageDown(usize),
    /// To the first picture.
    First,
    /// To the last.
    Last,
}

/// One line of the gallery; `top` is its distance from the gallery's top.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A section's head.
    Head {
        /// Which section.
        section: usize,
        /// In points.
        top: f64,
    },
    /// Pictures side by side.
    Pictures {
        /// Their places.
        places: Range<usize>,
        /// In points.
        top: f64,
    },
}

/// Sizes and places, in points from the gallery's upper left corner. In 64 bits: a hundred thousand large pictures reach further
/// than 32 bits tell single points apart.
#[derive(Debug, Clone)]
pub struct Grid<'a> {
    sections: &'a [Section],
    /// Top of each section, and where the last one ends.
    tops: Vec<f64>,
    /// Pictures in a row.
    pub columns: usize,
    /// Of a picture.
    pub side: f64,
    gap: f64,
    head: f64,
}

impl<'a> Grid<'a> {
    /// Pictures at least `wanted` points wide that fill `width`, `gap` points apart, under heads of `head` points where there are classes.
    pub fn new(sections: &'a [Section], width: f32, wanted: f32, gap: f32, head: f32) -> Self {
        let columns = (((width + gap) / (wanted + gap)).floor() as usize).max(1);
        let (gap, head) = (f64::from(gap), f64::from(head));
        let side = ((f64::from(width) + gap) / columns as f64 - gap).max(1.0);
        let mut grid = Self { sections, tops: vec![0.0], columns, side, gap, head };
        let mut top = 0.0;
        for section in sections {
            top += grid.head_of(section) + section.len.div_ceil(columns) as f64 * grid.pitch();
            grid.tops.push(top);
        }
        grid
    }

    fn head_of(&self, section: &Section) -> f64 {
        if section.class.is_some() { self.head } else { 0.0 }
    }

    /// From one picture's edge to the next one's.
    pub fn pitch(&self) -> f64 {
        self.side + self.gap
    }

    /// Of all.
    pub fn height(&self) -> f64 {
        self.tops.last().copied().unwrap_or(0.0)
    }

    /// The rows of which something lies between `top` and `bottom`.
    pub fn rows(&self, top: f64, bottom: f64) -> Vec<Row> {
        let mut rows = Vec::new();
        let first = self.tops.partition_point(|t| *t <= top).saturating_sub(1);
        for (s, section) in self.sections.iter().enumerate().skip(first) {
            let start = self.tops[s];
            if start > bottom {
                break;
            }
            let head = self.head_of(section);
            if head > 0.0 && start + head > top {
                rows.push(Row::Head { section: s, top: start });
            }
            let lines = section.len.div_ceil(self.columns);
            let above = ((top - start - head) / self.pitch()).floor().max(0.0) as usize;
            for line in above..lines {
                let y = start + head + line as f64 * self.pitch();
                if y > bottom {
                    break;
                }
                let from = section.start + line * self.columns;
                let to = (from + self.columns).min(section.start + section.len);
                rows.push(Row::Pictures { places: from..to, top: y });
            }
        }
        rows
    }

    fn section_of(&self, place: usize) -> Option<(usize, &Section)> {
        let s = self.sections.partition_point(|s| s.start + s.len <= place);
        self.sections.get(s).map(|section| (s, section))
    }

    /// Upper left corner of the picture at a place.
    pub fn corner(&self, place: usize) -> Option<(f64, f64)> {
        let (s, section) = self.section_of(place)?;
        let (line, column) = self.within(section, place);
        let y = self.tops[s] + self.head_of(section) + line as f64 * self.pitch();
        Some((column as f64 * self.pitch(), y))
    }

    fn within(&self, section: &Section, place: usize) -> (usize, usize) {
        ((place - section.start) / self.columns, (place - section.start) % self.columns)
    }

    /// The places of the pictures that a rectangle touches, given by two opposite corners.
    pub fn touched(&self, a: (f64, f64), b: (f64, f64)) -> Vec<usize> {
        let (left, right) = (a.0.min(b.0), a.0.max(b.0));
        let (top, bottom) = (a.1.min(b.1), a.1.max(b.1));
        let mut places = Vec::new();
        for row in self.rows(top, bottom) {
            let Row::Pictures { places: row, top: y } = row else { continue };
            if y + self.side < top {
                continue;
            }
            let inside = |&(column, _): &(usize, usize)| {
                let x = column as f64 * self.pitch();
                x <= right && x + self.side >= left
            };
            places.extend(row.enumerate().filter(inside).map(|(_, place)| place));
        }
        places
    }

    /// The place that a move from `place` leads to. The column stays where the row has it.
    pub fn moved(&self, place: usize, to: Move) -> usize {
        let last = self.sections.last().map_or(0, |s| s.start + s.len - 1);
        match to {
            Move::Left => place.saturating_sub(1),
            Move::Right => (place + 1).min(last),
            Move::First => 0,
            Move::Last => last,
            Move::Up => self.line(place, false).unwrap_or(place),
            Move::Down => self.line(place, true).unwrap_or(place),
            Move::PageUp(n) => (0..n.max(1)).fold(place, |p, _| self.line(p, false).unwrap_or(p)),
            Move::PageDown(n) => (0..n.max(1)).fold(place, |p, _| self.line(p, true).unwrap_or(p)),
        }
    }

    /// The place above or below.
    fn line(&self, place: usize, down: bool) -> Option<usize> {
        let (s, section) = self.section_of(place)?;
        let (line, column) = self.within(section, place);
        let lines = |section: &Section| section.len.div_ceil(self.columns);
        let at = |section: &Section, line: usize| {
            (section.start + line * self.columns + column).min(section.start + section.len - 1)
        };
        if down && line + 1 < lines(section) {
            Some(at(section, line + 1))
        } else if !down && line > 0 {
            Some(at(section, line - 1))
        } else if down {
            self.sections.get(s + 1).map(|next| at(next, 0))
        } else {
            s.checked_sub(1).map(|s| &self.sections[s]).map(|above| at(above, lines(above) - 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(lens: &[usize]) -> Vec<Section> {
        let mut start = 0;
        let one = |(class, &len): (usize, &usize)| {
            let section = Section { class: Some(class), start, len };
            start += len;
            section
        };
        lens.iter().enumerate().map(one).collect()
    }

    /// Three columns of 100 points, 10 apart, heads of 30.
    fn grid(sections: &[Section]) -> Grid<'_> {
        Grid::new(sections, 320.0, 100.0, 10.0, 30.0)
    }

    #[test]
    fn rows_hold_every_picture_once_under_its_class() {
        let s = sections(&[5, 1]);
        let g = grid(&s);
        assert_eq!((g.columns, g.side, g.height()), (3, 100.0, 30.0 + 220.0 + 30.0 + 110.0));
        let want = [
            Row::Head { section: 0, top: 0.0 },
            Row::Pictures { places: 0..3, top: 30.0 },
            Row::Pictures { places: 3..5, top: 140.0 },
            Row::Head { section: 1, top: 250.0 },
            Row::Pictures { places: 5..6, top: 280.0 },
        ];
        assert_eq!(g.rows(0.0, 1000.0), want);
        assert_eq!(g.rows(141.0, 249.0), want[2..3]);
        assert_eq!(g.rows(255.0, 279.0), want[3..4]);
    }

    #[test]
    fn what_is_asked_for_is_where_it_was_said_to_be() {
        let s = sections(&[70_000, 1, 40_000]);
        let g = Grid::new(&s, 900.0, 112.0, 8.0, 34.0);
        for place in [0, 1, 69_999, 70_000, 70_001, 110_000] {
            let (x, y) = g.corner(place).unwrap();
            assert_eq!(g.touched((x + 1.0, y + 1.0), (x + 2.0, y + 2.0)), [place]);
            let middle = y + g.side / 2.0;
            let hit = |r: &Row| matches!(r, Row::Pictures { places, .. } if places.contains(&place));
            assert_eq!(g.rows(middle, middle).iter().filter(|r| hit(r)).count(), 1);
        }
    }

    #[test]
    fn a_band_touches_whole_rows_and_columns() {
        let s = sections(&[5, 1]);
        let g = grid(&s);
        assert_eq!(g.touched((105.0, 0.0), (215.0, 150.0)), [1, 4]);
        assert_eq!(g.touched((0.0, 300.0), (1.0, 100.0)), [0, 3, 5], "from below");
        assert_eq!(g.touched((102.0, 0.0), (108.0, 400.0)), [0; 0], "between two columns");
    }

    #[test]
    fn the_cursor_keeps_its_column_over_heads_and_stops_at_the_ends() {
        let s = sections(&[5, 2]);
        let g = grid(&s);
        assert_eq!(g.moved(2, Move::Down), 4, "the row below is shorter");
        assert_eq!(g.moved(3, Move::Down), 5);
        assert_eq!(g.moved(6, Move::Up), 4);
        assert_eq!(g.moved(1, Move::Up), 1);
        assert_eq!(g.moved(6, Move::Down), 6);
        assert_eq!((g.moved(0, Move::Left), g.moved(6, Move::Right), g.moved(4, Move::Right)), (0, 6, 5));
        assert_eq!((g.moved(3, Move::First), g.moved(3, Move::Last)), (0, 6));
        assert_eq!((g.moved(0, Move::PageDown(2)), g.moved(5, Move::PageUp(9))), (5, 0));
    }
}
