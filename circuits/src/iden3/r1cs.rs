//! `.r1cs`: what a ceremony starts from.

use super::{FIELD_LEN, begin, element, modulus, section};
use crate::r1cs::Shape;

/// The constraint system as a file. Public inputs are inputs, not outputs; wires and
/// labels are columns.
#[must_use]
pub fn r1cs_file(shape: &Shape) -> Vec<u8> {
    let number = |n: usize| (n as u32).to_le_bytes();
    let mut header = FIELD_LEN.to_le_bytes().to_vec();
    header.extend(modulus());
    let outputs = 0;
    for count in [shape.columns(), outputs, shape.inputs() - 1, shape.columns() - shape.inputs()] {
        header.extend(number(count));
    }
    header.extend((shape.columns() as u64).to_le_bytes());
    header.extend(number(shape.constraints()));

    let mut rows = Vec::with_capacity(36 * shape.non_zeros() + 12 * shape.constraints());
    for (a, b, c) in shape.rows() {
        for row in [a, b, c] {
            rows.extend(number(row.len()));
            for (factor, column) in row {
                rows.extend(number(*column));
                rows.extend(element(factor));
            }
        }
    }
    let labels: Vec<u8> = (0..shape.columns() as u64).flat_map(u64::to_le_bytes).collect();

    let mut file = Vec::with_capacity(rows.len() + labels.len() + 200);
    begin(&mut file, b"r1cs", 1, 3);
    section(&mut file, 1, &header);
    section(&mut file, 2, &rows);
    section(&mut file, 3, &labels);
    file
}
