//! The points' way to the screen: one instanced draw call in egui's own pass.

use super::{Points, Projection};
use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, ScreenDescriptor};
use egui::{Color32, PaintCallbackInfo, Rect, Ui};
use std::sync::Arc;

/// Draws the points, of `radius` points of the screen, into `rect`. `format` is that of the window's surface.
pub(super) fn paint(
    ui: &Ui,
    rect: Rect,
    points: &Points,
    (projection, radius): (Projection, f32),
    format: wgpu::TextureFormat,
) {
    let half = rect.size() * 0.5;
    let pixels = radius * ui.ctx().pixels_per_point();
    let view = [
        projection.centre[0],
        projection.centre[1],
        projection.scale / half.x.max(1.0),
        projection.scale / half.y.max(1.0),
        radius / half.x.max(1.0),
        radius / half.y.max(1.0),
        pixels.max(0.5),
        0.0,
    ];
    let draw = Draw { points: points.clone(), view, format };
    ui.painter().add(Callback::new_paint_callback(rect, draw));
}

/// One frame's request.
struct Draw {
    points: Points,
    /// The shader's `View`.
    view: [f32; 8],
    format: wgpu::TextureFormat,
}

/// What stays on the graphics card.
struct Resources {
    pipeline: wgpu::RenderPipeline,
    format: wgpu::TextureFormat,
    view: wgpu::Buffer,
    group: wgpu::BindGroup,
    /// Places and colours with the lists that they were made from.
    uploaded: Option<(Points, wgpu::Buffer)>,
}

/// A point as the shader reads it: two coordinates and four parts of a colour.
type Instance = [u32; 3];

impl Resources {
    fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let module = device.create_shader_module(wgpu::include_wgsl!("points.wgsl"));
        let view = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("view of points"),
            size: size_of::<[f32; 8]>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("view of points"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            }],
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("view of points"),
            layout: &layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: view.as_entire_binding() }],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("points"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("points"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vs_main"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers: &[Some(wgpu::VertexBufferLayout {
                    array_stride: size_of::<Instance>() as u64,
                    step_mode: wgpu::VertexStepMode::Instance,
                    attributes: &wgpu::vertex_attr_array![0 => Float32x2, 1 => Unorm8x4],
                })],
            },
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("fs_main"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &[Some(wgpu::ColorTargetState {
                    format,
                    blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                    write_mask: wgpu::ColorWrites::ALL,
                })],
            }),
            primitive: wgpu::PrimitiveState {
                topology: wgpu::PrimitiveTopology::TriangleStrip,
                ..wgpu::PrimitiveState::default()
            },
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            multiview_mask: None,
            cache: None,
        });
        Self { pipeline, format, view, group, uploaded: None }
    }

    fn upload(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, points: &Points) {
        let same = |of: &Points| {
            Arc::ptr_eq(&of.places, &points.places) && Arc::ptr_eq(&of.colours, &points.colours)
        };
        if self.uploaded.as_ref().is_some_and(|(of, _)| same(of)) {
            return;
        }
        let instance = |(place, colour): (&[f32; 2], &Color32)| -> Instance {
            [place[0].to_bits(), place[1].to_bits(), u32::from_ne_bytes(colour.to_array())]
        };
        let instances: Vec<Instance> =
            points.places.iter().zip(points.colours.iter()).map(instance).collect();
        let bytes: &[u8] = bytemuck::cast_slice(&instances);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("points"),
            size: bytes.len().max(size_of::<Instance>()) as u64,
            usage: wgpu::BufferUsages::VERTEX | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        queue.write_buffer(&buffer, 0, bytes);
        self.uploaded = Some((points.clone(), buffer));
    }
}

impl CallbackTrait for Draw {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _: &ScreenDescriptor,
        _: &mut wgpu::CommandEncoder,
        kept: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if kept.get::<Resources>().is_none_or(|r| r.format != self.format) {
            kept.insert(Resources::new(device, self.format));
        }
        if let Some(resources) = kept.get_mut::<Resources>() {
            queue.write_buffer(&resources.view, 0, bytemuck::cast_slice(&self.view));
            resources.upload(device, queue, &self.points);
        }
        Vec::new()
    }

    fn paint(&self, _: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, kept: &CallbackResources) {
        let Some(resources) = kept.get::<Resources>() else { return };
        let Some((points, buffer)) = &resources.uploaded else { return };
        let count = points.places.len().min(points.colours.len()) as u32;
        pass.set_pipeline(&resources.pipeline);
        pass.set_bind_group(0, &resources.group, &[]);
        pass.set_vertex_buffer(0, buffer.slice(..));
        pass.draw(0..4, 0..count);
    }
}
