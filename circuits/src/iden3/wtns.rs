//! `.wtns`: what snarkjs proves from.

use super::{FIELD_LEN, begin, element, modulus, section};
use crate::r1cs::Assignment;
use zeroize::Zeroizing;

/// The values as a file. It holds every secret of the proof; the bytes are wiped when
/// dropped.
#[must_use]
pub fn wtns_file(assignment: &Assignment) -> Zeroizing<Vec<u8>> {
    let variables = assignment.variables();
    let mut header = FIELD_LEN.to_le_bytes().to_vec();
    header.extend(modulus());
    header.extend((variables.len() as u32).to_le_bytes());
    let mut values = Zeroizing::new(Vec::with_capacity(variables.len() * FIELD_LEN as usize));
    for value in variables {
        values.extend(element(value));
    }
    let mut file = Zeroizing::new(Vec::with_capacity(values.len() + header.len() + 36));
    begin(&mut file, b"wtns", 2, 2);
    section(&mut file, 1, &header);
    section(&mut file, 2, &values);
    file
}
