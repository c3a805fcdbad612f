//! The figures as a table for people.

use super::Measure;
use super::reference;

/// Our figures, with seL4's and NOVA's beside them.
pub fn format(measures: &[Measure]) -> String {
    let mut rows = vec![["", "Pagurus", "seL4", "NOVA", "unit", ""].map(str::to_owned)];
    for measure in measures {
        let other = reference::find(&measure.name);
        rows.push([
            measure.name.clone(),
            number(measure.value),
            other.map_or("", |o| o.sel4).to_owned(),
            other.map_or("", |o| o.nova).to_owned(),
            measure.unit.clone(),
            measure.note.clone(),
        ]);
    }
    let mut text = align(&rows);
    text.push_str(
        "\nseL4 1326364b (fastpath, no mitigations) and NOVA 2024 (-O2), measured in the same emulator and counted \
         the same way.\n",
    );
    text
}

/// A number without a fraction that says nothing.
fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else if value < 10.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.1}")
    }
}

/// Columns as wide as their widest cell; numbers to the right.
fn align<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|r| r[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (index, cell) in row.iter().enumerate() {
            if index > 0 {
                line.push_str("  ");
            }
            if (1..=3).contains(&index) {
                line.push_str(&format!("{cell:>width$}", width = widths[index]));
            } else {
                line.push_str(&format!("{cell:width$}", width = widths[index]));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_others_stand_beside() {
        let text = format(&[
            Measure::new("signal", 120.0, "instructions", "no waiter"),
            Measure::new("kernel_image_bytes", 98765.0, "bytes", ""),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "                    Pagurus  seL4  NOVA  unit");
        assert_eq!(
            lines[1],
            "signal                  120   372   132  instructions  no waiter"
        );
        assert_eq!(lines[2], "kernel_image_bytes    98765              bytes");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(455.0), "455");
        assert_eq!(number(0.5512), "0.551");
        assert_eq!(number(12.34), "12.3");
    }
}
