//! Elements of an SVG.

use crate::text::escape;
use std::fmt::Write;

/// An SVG while it is drawn. Coordinates are in pixels from the top left corner.
#[derive(Default)]
pub(crate) struct Drawing {
    body: String,
}

/// A number as short as it can be, to a tenth of a pixel.
fn short(number: f64) -> String {
    let rounded = (number * 10.0).round() / 10.0;
    // No "-0".
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// Where text stands in relation to its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
}

impl Drawing {
    // Writing to a String cannot fail: results are ignored in what follows.

    pub fn rectangle(&mut self, class: &str, place: [f64; 4], radius: f64) {
        let [x, y, width, height] = place.map(short);
        let radius = short(radius);
        let _ = writeln!(
            self.body,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>"
        );
    }

    pub fn text(&mut self, class: &str, x: f64, y: f64, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
        };
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\"{anchor}>{}</text>",
            short(x),
            short(y),
            escape(text)
        );
    }

    /// A curve through `points`, vertical at each of them.
    pub fn curve(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        let mut before: Option<(f64, f64)> = None;
        for (x, y) in points {
            let (sx, sy) = (short(*x), short(*y));
            match before {
                None => {
                    let _ = write!(path, "M{sx} {sy}");
                }
                Some((bx, _)) if bx == *x => {
                    let _ = write!(path, "V{sy}");
                }
                Some((bx, by)) => {
                    let (bx, middle) = (short(bx), short((by + y) / 2.0));
                    let _ = write!(path, "C{bx} {middle} {sx} {middle} {sx} {sy}");
                }
            }
            before = Some((*x, *y));
        }
        let _ = writeln!(self.body, "<path class=\"{class}\" d=\"{path}\"/>");
    }

    /// A head at the end of a vertical line that goes down (or up) to its point.
    pub fn head(&mut self, class: &str, (x, y): (f64, f64), down: bool) {
        let back = if down { y - 8.0 } else { y + 8.0 };
        let (left, right) = (short(x - 4.0), short(x + 4.0));
        let (x, y, back) = (short(x), short(y), short(back));
        let _ = writeln!(
            self.body,
            "<path class=\"{class}\" d=\"M{x} {y}L{left} {back}H{right}Z\"/>"
        );
    }

    /// The whole file.
    pub fn finish(self, width: f64, height: f64, style: &str, title: &str) -> String {
        let (width, height) = (short(width.ceil()), short(height.ceil()));
        let title = escape(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{title}</title>\n<style>\n{style}</style>\n\
             <rect class=\"background\" width=\"{width}\" height=\"{height}\" rx=\"10\"/>\n{}</svg>\n",
            self.body
        )
    }
}
