//! Header fields of any framework: pairs of a name and bytes.

use crate::Refusal;

/// The fields that matter of one request.
pub(crate) struct Headers<const N: usize> {
    names: [&'static str; N],
    found: [Found; N],
}

#[derive(Clone)]
enum Found {
    Never,
    Once(Vec<u8>),
    Often,
}

impl<const N: usize> Headers<N> {
    /// Takes the fields of these names, which are in lower case, out of all.
    pub(crate) fn read<K, V>(names: [&'static str; N], fields: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: AsRef<str>,
        V: AsRef<[u8]>,
    {
        let mut found = std::array::from_fn(|_| Found::Never);
        for (name, value) in fields {
            let Some(index) = names.iter().position(|known| known.eq_ignore_ascii_case(name.as_ref())) else {
                continue;
            };
            found[index] = match found[index] {
                Found::Never => Found::Once(value.as_ref().trim_ascii().to_vec()),
                Found::Once(_) | Found::Often => Found::Often,
            };
        }
        Self { names, found }
    }

    /// A field that must be there once.
    pub(crate) fn one(&self, name: &'static str) -> Result<&[u8], Refusal> {
        match self.names.iter().position(|known| *known == name).map(|index| &self.found[index]) {
            Some(Found::Once(value)) => Ok(value),
            Some(Found::Often) => Err(Refusal::RepeatedHeader { name }),
            Some(Found::Never) | None => Err(Refusal::MissingHeader { name }),
        }
    }

    /// As `one`, and of printable ASCII.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, Refusal> {
        let why = "it has characters beyond printable ASCII";
        let value = self.one(name)?;
        let is_printable = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let text = std::str::from_utf8(value).ok().filter(|_| is_printable);
        text.ok_or(Refusal::MalformedHeader { name, why })
    }

    /// A field that proves nothing: where it is missing, repeated or odd it is not there.
    pub(crate) fn hint(&self, name: &'static str) -> Option<&str> {
        self.text(name).ok()
    }
}
