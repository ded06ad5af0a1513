//! The QR code of a payment: an image of its landing page's address.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use qrcode::render::svg;
use qrcode::{Color, QrCode};
use serde::Deserialize;

use crate::sandbox::Shared;
use crate::state::Landing;

pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/qr/{file}", get(image))
}

#[derive(Deserialize)]
struct Size {
    /// Side length in pixels, for PNG.
    #[serde(default = "usual_size")]
    size: usize,
}

fn usual_size() -> usize {
    1024
}

async fn image(State(shared): State<Shared>, Path(file): Path<String>, Query(Size { size }): Query<Size>) -> Response {
    let (token, kind) = file.rsplit_once('.').unwrap_or((&file, ""));
    let target = {
        let world = shared.lock();
        matches!(world.landing(token), Some(Landing::Payment(_)))
            .then(|| format!("{}/landing?token={token}", world.base_url))
    };
    let Some(Ok(code)) = target.map(QrCode::new) else { return StatusCode::NOT_FOUND.into_response() };
    match kind {
        "svg" => ([(header::CONTENT_TYPE, "image/svg+xml")], code.render::<svg::Color<'_>>().build()).into_response(),
        "png" => match png(&code, size.clamp(100, 2000)) {
            Ok(bytes) => ([(header::CONTENT_TYPE, "image/png")], bytes).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A grey image of `size` by `size` pixels with the usual quiet zone of four modules.
fn png(code: &QrCode, size: usize) -> Result<Vec<u8>, png::EncodingError> {
    let modules = code.width() + 8;
    let colors = code.to_colors();
    let dark = |x: usize, y: usize| {
        let inside = (4..4 + code.width()).contains(&x) && (4..4 + code.width()).contains(&y);
        inside && colors[(y - 4) * code.width() + (x - 4)] == Color::Dark
    };
    let module = |pixel: usize| pixel * modules / size;
    let pixels: Vec<u8> =
        (0..size * size).map(|at| if dark(module(at % size), module(at / size)) { 0 } else { 255 }).collect();
    let side = u32::try_from(size).unwrap_or(2000);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(bytes)
}
