//! sns

/// None yet: every call is refused by name.
pub fn operations() -> crate::sandbox::operations::Operations {
    crate::sandbox::operations::Operations::default()
}
