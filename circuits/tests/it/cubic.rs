//! A statement of three constraints, for files: `x³ + x + 5 = y`.

use phalanx_circuits::{
    native::Fr,
    r1cs::{Circuit, Input, Mismatch, Statement, System},
};

pub struct Cubic;

impl Statement for Cubic {
    type Secret = Fr;

    fn name(&self) -> String {
        "cubic".to_owned()
    }

    fn inputs(&self) -> &'static [Input] {
        &[Input { name: "y", meaning: "the result" }]
    }

    fn caveats(&self) -> &'static [&'static str] {
        &[]
    }

    fn blank(&self) -> Fr {
        Fr::from(0)
    }

    fn lay<C: System>(&self, cs: &mut C, inputs: &[C::Num], secret: &Fr) -> Result<(), Mismatch> {
        let x = cs.witness(*secret);
        let square = cs.product(&x, &x);
        let cube = cs.product(&square, &x);
        let one = cs.constant(Fr::from(1));
        let sum = cs.sum([(Fr::from(1), &cube), (Fr::from(1), &x), (Fr::from(5), &one)]);
        cs.equal("x³ + x + 5 = y", &sum, &inputs[0]);
        Ok(())
    }
}

pub fn circuit() -> Circuit<Cubic> {
    Circuit::new(Cubic).unwrap()
}
