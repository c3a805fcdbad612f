//! Which tests the user wants.

/// Names, or parts of them; none means everything.
pub struct Selection(Vec<String>);

impl Selection {
    /// What was asked for on the command line.
    pub fn new(names: &[String]) -> Self {
        Self(names.to_vec())
    }

    /// No name was given.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Is this test wanted?
    pub fn wants(&self, name: &str) -> bool {
        self.is_everything() || self.0.iter().any(|part| name.contains(part.as_str()))
    }

    /// Does it ask for something that none of these fits?
    ///
    /// Names of host tests are known only after they were built, which nobody wants to wait for who asked
    /// for one of these by name.
    pub fn asks_beyond(&self, known: &[&str]) -> bool {
        self.is_everything()
            || self
                .0
                .iter()
                .any(|part| !known.iter().any(|name| name.contains(part.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(names: &[&str]) -> Selection {
        Selection::new(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn parts_of_names_select() {
        assert!(selection(&[]).wants("anything"));
        assert!(selection(&["cap"]).wants("host/pagurus-cap/x"));
        assert!(!selection(&["cap"]).wants("format"));
        assert!(selection(&["cap", "form"]).wants("format"));
    }

    #[test]
    fn known_names_need_no_search() {
        let known = ["format", "boot-uefi"];
        assert!(selection(&[]).asks_beyond(&known));
        assert!(!selection(&["uefi"]).asks_beyond(&known));
        assert!(selection(&["uefi", "revoke"]).asks_beyond(&known));
    }
}
