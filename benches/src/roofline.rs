//! Kernels against what a device can move: a drawing on two logarithmic axes.

use std::fmt::Write as _;

/// One kernel of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct RoofPoint {
    /// Kernel and version.
    pub name: String,
    /// Arithmetic operations over bytes moved.
    pub operations_per_byte: f64,
    /// Operations per second, 1e9.
    pub giga_operations_per_sec: f64,
}

/// A device: what a copy reaches on it, and its kernels.
#[derive(Debug, Clone, PartialEq)]
pub struct Roof {
    /// The device.
    pub device: String,
    /// Bytes read and written per second by a copy, 1e9.
    pub copy_gigabytes_per_sec: f64,
    /// Its kernels.
    pub points: Vec<RoofPoint>,
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 560.0;
const MARGIN: f64 = 70.0;
const COLOURS: [&str; 6] = [
    "#1b6ca8", "#c2452d", "#2e7d32", "#7b3fa0", "#b8860b", "#444444",
];

/// Powers of ten that an axis shows.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64>) -> Self {
        let usable = values.filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) = usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value.log10()), high.max(value.log10()))
        });
        if low > high {
            return Axis {
                low: 0.0,
                high: 1.0,
            };
        }
        let low = (low - 0.1).floor();
        Axis {
            low,
            high: (high + 0.1).ceil().max(low + 1.0),
        }
    }

    /// Share of the axis, 0 to 1.
    fn share(&self, value: f64) -> f64 {
        (value.max(f64::MIN_POSITIVE).log10() - self.low) / (self.high - self.low)
    }

    fn decades(&self) -> impl Iterator<Item = i32> {
        self.low as i32..=self.high as i32
    }
}

/// The drawing as SVG: a slanted line for what each device moves, a dot for each kernel. What lies far below its line is not bound by
/// memory.
pub fn roofline_svg(roofs: &[Roof]) -> String {
    let points = || roofs.iter().flat_map(|roof| &roof.points);
    let across = Axis::around(points().map(|point| point.operations_per_byte));
    let tops = roofs.iter().flat_map(|roof| {
        let reached = roof.points.iter();
        reached.map(|point| roof.copy_gigabytes_per_sec * point.operations_per_byte)
    });
    let up = Axis::around(
        points()
            .map(|point| point.giga_operations_per_sec)
            .chain(tops),
    );
    let x = |value: f64| MARGIN + across.share(value) * (WIDTH - 2.0 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - up.share(value) * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    for decade in across.decades() {
        let at = x(10_f64.powi(decade));
        let (top, bottom) = (MARGIN, HEIGHT - MARGIN);
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            power(decade)
        );
    }
    for decade in up.decades() {
        let at = y(10_f64.powi(decade));
        let (left, right) = (MARGIN, WIDTH - MARGIN);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            at + 4.0,
            power(decade)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">operations per byte</text>\
         <text x=\"16\" y=\"{:.1}\" transform=\"rotate(-90 16 {:.1})\" text-anchor=\"middle\">1e9 operations per second</text>",
        WIDTH / 2.0,
        HEIGHT - 24.0,
        HEIGHT / 2.0,
        HEIGHT / 2.0
    );
    for (number, roof) in roofs.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let (from, to) = (10_f64.powf(across.low), 10_f64.powf(across.high));
        let line = |at: f64| (x(at), y(at * roof.copy_gigabytes_per_sec));
        let ((x1, y1), (x2, y2)) = (line(from), line(to));
        let _ = writeln!(
            svg,
            "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{colour}\" fill=\"none\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{} (copy {:.1} GB/s)</text>",
            MARGIN + 8.0,
            MARGIN - 40.0 + 14.0 * number as f64,
            escaped(&roof.device),
            roof.copy_gigabytes_per_sec
        );
        for point in &roof.points {
            let (px, py) = (
                x(point.operations_per_byte),
                y(point.giga_operations_per_sec),
            );
            let _ = writeln!(
                svg,
                "<circle cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"4\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                px + 6.0,
                py + 4.0,
                escaped(&point.name)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn power(decade: i32) -> String {
    if (-2..=3).contains(&decade) {
        format!("{}", 10_f64.powi(decade))
    } else {
        format!("1e{decade}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_is_a_dot_and_every_device_a_line() {
        let roof = Roof {
            device: "a <b>".into(),
            copy_gigabytes_per_sec: 10.0,
            points: vec![RoofPoint {
                name: "crop & more".into(),
                operations_per_byte: 3.0,
                giga_operations_per_sec: 30.0,
            }],
        };
        let svg = roofline_svg(&[
            roof.clone(),
            Roof {
                points: Vec::new(),
                ..roof
            },
        ]);
        assert_eq!(svg.matches("<circle").count(), 1);
        assert_eq!(svg.matches("fill=\"none\"").count(), 2);
        assert!(svg.contains("crop &amp; more") && svg.contains("a &lt;b&gt;"));
        // On its own line: the copy's rate times three operations a byte.
        let dot = svg.lines().find(|line| line.contains("<circle")).unwrap();
        assert!(dot.contains("cx=\""));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn nothing_measured_is_still_a_drawing() {
        let svg = roofline_svg(&[]);
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"));
    }
}
