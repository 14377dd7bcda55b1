//! A small AWS in memory, for tests of what stands on the traits.
