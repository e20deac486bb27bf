//! The unit of the loss, and the units that follow from it.

use records::Loss;

/// Units as the report writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// of ℓ and L_k, such as `nats`
    pub loss: String,
    /// of V, Δ_k and its tolerances
    pub squared: String,
    /// of a gradient
    pub gradient: String,
    /// of an eigenvalue of the Hessian
    pub eigenvalue: String,
}

impl Unit {
    /// Of networks with that loss; without one, the loss itself is the unit.
    pub fn of(loss: Option<Loss>) -> Self {
        let power = |n| match (loss, n) {
            (Some(loss), n) => loss.unit().to(n).replace("^2", "²").replace("^4", "⁴"),
            (None, 1) => "loss".to_owned(),
            (None, _) => "loss²".to_owned(),
        };
        Self {
            loss: power(1),
            squared: power(2),
            gradient: format!("{} per parameter unit", power(1)),
            eigenvalue: format!("{} per squared parameter unit", power(1)),
        }
    }
}

/// What the loss is, and what its unit means for a tolerance.
pub fn meaning(loss: Loss) -> String {
    let Unit { loss: unit, squared, .. } = Unit::of(Some(loss));
    let depends = if loss.needs_classes() {
        ""
    } else {
        " They change with the unit in which the targets are stored; K at a relative tolerance does not."
    };
    format!(
        "The loss of a sample is {}, in {unit}; V, Δ_k and the absolute tolerances are in {squared}.{depends}",
        loss.formula()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cross_entropy_is_in_nats() {
        let of = |loss| [Unit::of(loss).loss, Unit::of(loss).squared];
        assert_eq!(of(Some(Loss::SoftmaxCrossEntropy)), ["nats", "nats²"]);
        assert_eq!(of(Some(Loss::SquaredError)), ["target²", "target⁴"]);
        assert_eq!(of(None), ["loss", "loss²"]);
        assert_eq!(Unit::of(Some(Loss::SquaredError)).eigenvalue, "target² per squared parameter unit");
    }
}
