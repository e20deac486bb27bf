//! What the paper printed, and what it says of its figures.

/// Mean over 50 networks (figure 1).
pub const EIGENVALUES: [f64; 10] = [3.909, 2.356, 1.877, 1.488, 1.252, 1.036, 0.856, 0.693, 0.565, 0.454];
/// Δ_k m² over m = k/64 along one eigen-direction at σ = 1 (figure 8).
pub const HESSIAN_CONSTANT: f64 = 2.47;
/// The same for random directions at σ ≤ 1 (figures 4 and 5).
pub const RANDOM_CONSTANT: f64 = 1.1e-4;

/// Which figure of the paper it is, at the end of a caption; nothing where the page is not set beside the paper.
pub fn figure(number: &str, compare: bool) -> String {
    if compare { format!(" (figure {number} of the paper)") } else { String::new() }
}

/// Why eigenvalues differ from those of figure 1.
pub const SPECTRUM: &str = "The paper printed the mean of 50 networks, and this is one; its power iteration returns the norm of Hv, which has no sign; \
    and the Hessian is taken where training stopped, of which it prints neither loss nor gradient. How much each contributes is not known.";
/// Of figures 4, 5 and 8.
pub const DELTA: &str = "The paper's text says O(1/k); its own figures show 1/k². \
    Its Monte Carlo perturbs one direction only, whatever d is, and draws the samples in a new order at each evaluation.";
/// Of figures 4 and 5.
pub const NO_DIFFERENCE: &str = "The paper finds that σ and d make no substantial difference. \
    As σ → 0 V tends to the variance of the loss at w* itself, so it can stay the same only while the draws barely move the losses.";
/// Of figure 9.
pub const CRITERION: &str = "The paper calls its criterion (eigenvalue) an upper bound at all k.";

/// Of its landscape `number`: 2, 3, 6 or 7.
pub fn landscape(number: &str) -> &'static str {
    match number {
        "2" => {
            "The paper shows sharp peaks and deep valleys at small k; its code draws the samples in a new order at each evaluation, so that neighbouring points of its surface see other samples."
        }
        "3" => {
            "The paper shows a much smoother surface than at small k, lower losses and a much smaller squared change; which samples come first decides the mean loss at small k, as L_k averages to L_N over all orders."
        }
        "6" => {
            "The paper shows a more structured surface than in random directions and larger peaks of the squared change."
        }
        _ => {
            "The paper shows a much smaller squared change than at small k, yet a larger one than in random directions."
        }
    }
}
