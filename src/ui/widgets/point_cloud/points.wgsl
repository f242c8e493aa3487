// One quad a point, with a smooth disc on it. Colours are premultiplied, in gamma space like everything that egui draws.

struct View {
    // Middle of the view, on the plane.
    centre: vec2<f32>,
    // From the plane to clip space.
    scale: vec2<f32>,
    // Radius of a point in clip space.
    radius: vec2<f32>,
    // Radius of a point in pixels.
    pixels: f32,
    padding: f32,
};
@group(0) @binding(0) var<uniform> view: View;

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) at: vec2<f32>,
    @location(1) colour: vec4<f32>,
};

@vertex
fn vs_main(
    @builtin(vertex_index) index: u32,
    @location(0) place: vec2<f32>,
    @location(1) colour: vec4<f32>,
) -> Corner {
    let at = vec2<f32>(f32(index & 1u), f32(index >> 1u)) * 2.0 - 1.0;
    // Room for the smooth edge.
    let grown = at * (1.0 + 1.0 / view.pixels);
    var out: Corner;
    out.position = vec4<f32>((place - view.centre) * view.scale + grown * view.radius, 0.0, 1.0);
    out.at = grown;
    out.colour = colour;
    return out;
}

@fragment
fn fs_main(corner: Corner) -> @location(0) vec4<f32> {
    let covered = clamp((1.0 - length(corner.at)) * view.pixels + 0.5, 0.0, 1.0);
    return corner.colour * covered;
}
