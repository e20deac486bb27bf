//! Landscapes as VTK structured grids (`.vts`), which ParaView opens: File > Open, then the filter "Warp By Scalar".

use std::fmt::Write;

use ndarray::{ArrayView2, Axis};

use crate::read::montecarlo::Grid;

/// One grid: the plane z = 0 with L_k and the squared change at every kept k as point data.
///
/// Points run with the first axis fastest, as VTK has it: point i + G j is θ = (axis\[i\], axis\[j\]).
pub fn structured_grid(grid: &Grid) -> String {
    let g = grid.axis.len();
    let extent = format!("0 {0} 0 {0} 0 0", g - 1);
    let mut text = format!(
        "<?xml version=\"1.0\"?>\n<VTKFile type=\"StructuredGrid\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\n\
         <StructuredGrid WholeExtent=\"{extent}\">\n<Piece Extent=\"{extent}\">\n<PointData Scalars=\"loss_k{:08}\">\n",
        grid.sizes[grid.sizes.len() - 1]
    );
    for (m, k) in grid.sizes.iter().enumerate() {
        for (name, values) in [("loss", &grid.loss), ("squared_change", &grid.change)] {
            array(&mut text, &format!("{name}_k{k:08}"), values.index_axis(Axis(0), m));
        }
    }
    text += "</PointData>\n<Points>\n<DataArray type=\"Float64\" Name=\"theta\" NumberOfComponents=\"3\" format=\"ascii\">\n";
    for j in &grid.axis {
        for i in &grid.axis {
            writeln!(text, "{i} {j} 0").expect("writing to a string");
        }
    }
    text + "</DataArray>\n</Points>\n</Piece>\n</StructuredGrid>\n</VTKFile>\n"
}

/// `values[[a, b]]` is at θ = (axis\[a\], axis\[b\]).
fn array(text: &mut String, name: &str, values: ArrayView2<f64>) {
    writeln!(text, "<DataArray type=\"Float64\" Name=\"{name}\" format=\"ascii\">")
        .expect("writing to a string");
    for column in values.axis_iter(Axis(1)) {
        let line = column.iter().map(|v| format!("{v:e}")).collect::<Vec<_>>().join(" ");
        writeln!(text, "{line}").expect("writing to a string");
    }
    *text += "</DataArray>\n";
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;
    use crate::read::eigen::Basis;

    #[test]
    fn the_first_axis_is_the_fastest() {
        let grid = Grid {
            name: "g".into(),
            basis: Basis::Random,
            axis: array![-1.0, 0.0],
            sizes: vec![64],
            asked: vec![],
            loss: Array3::from_shape_fn((1, 2, 2), |(_, a, b)| (10 * a + b) as f64),
            change: Array3::zeros((1, 2, 2)),
        };
        let text = structured_grid(&grid);
        assert!(text.contains("Name=\"loss_k00000064\" format=\"ascii\">\n0e0 1e1\n1e0 1.1e1\n"), "{text}");
        assert!(text.contains("-1 -1 0\n0 -1 0\n-1 0 0\n0 0 0\n"), "{text}");
    }
}
