//! Drafts of receipts, gathered while a beat is applied.

use phalanx_types::{
    Hash, Name, PublicKey, ReceiptDraft, ReceiptKind,
    receipt::{Cause, Data, Field, HiddenField, Key},
};

/// Who caused a receipt.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub actor: String,
    pub inputs: Hash,
    pub trace_id: Option<[u8; 16]>,
}

impl Origin {
    /// The beat itself.
    pub(crate) fn fabric() -> Self {
        Self { actor: "fabric".to_owned(), inputs: Hash::ZERO, trace_id: None }
    }

    /// An envelope.
    pub(crate) fn envelope(sender: &PublicKey, id: Hash, trace_id: Option<[u8; 16]>) -> Self {
        Self { actor: sender.to_string(), inputs: id, trace_id }
    }

    /// The beat itself, for something that an envelope brought earlier.
    pub(crate) fn later(inputs: Hash, trace_id: Option<[u8; 16]>) -> Self {
        Self { actor: "fabric".to_owned(), inputs, trace_id }
    }
}

/// The drafts of a beat.
#[derive(Debug, Default)]
pub(crate) struct Drafts(Vec<ReceiptDraft>);

/// One draft on its way: the last one.
pub(crate) struct Building<'a> {
    drafts: &'a mut Vec<ReceiptDraft>,
}

impl Drafts {
    /// Begins a draft.
    pub(crate) fn note(
        &mut self,
        kind: ReceiptKind,
        subject: impl ToString,
        origin: &Origin,
    ) -> Building<'_> {
        let draft = ReceiptDraft {
            kind,
            subject: subject.to_string(),
            actor: origin.actor.clone(),
            tenant: None,
            inputs: origin.inputs,
            data: Data::new(),
            causes: Vec::new(),
            trace_id: origin.trace_id,
            hidden: Vec::new(),
        };
        self.0.push(draft);
        Building { drafts: &mut self.0 }
    }

    pub(crate) fn into_vec(self) -> Vec<ReceiptDraft> {
        self.0
    }
}

impl Building<'_> {
    fn change(self, change: impl FnOnce(&mut ReceiptDraft)) -> Self {
        if let Some(draft) = self.drafts.last_mut() {
            change(draft);
        }
        self
    }

    pub(crate) fn with(self, key: &'static str, value: Field) -> Self {
        self.change(|draft| {
            draft.data.insert(Key::Borrowed(key), value);
        })
    }

    pub(crate) fn text(self, key: &'static str, value: impl std::fmt::Display) -> Self {
        self.with(key, Field::text(value))
    }

    /// [`Self::text`] of a name, without the formatting machinery.
    pub(crate) fn name(self, key: &'static str, value: &Name) -> Self {
        self.with(key, Field::Text(value.as_str().to_owned()))
    }

    pub(crate) fn u32(self, key: &'static str, value: u32) -> Self {
        self.with(key, Field::u32(value))
    }

    pub(crate) fn u64(self, key: &'static str, value: u64) -> Self {
        self.with(key, Field::u64(value))
    }

    pub(crate) fn tenant(self, tenant: &Name) -> Self {
        self.change(|draft| draft.tenant = Some(tenant.clone()))
    }

    pub(crate) fn cause(self, cause: Option<Cause>) -> Self {
        self.change(|draft| draft.causes.extend(cause))
    }

    pub(crate) fn hidden(self, hidden: HiddenField) -> Self {
        self.change(|draft| {
            draft.data.insert(Key::Owned(hidden.key.clone()), hidden.commitment());
            draft.hidden.push(hidden);
        })
    }

    /// Ends the draft; gives its place, for what it causes in the same beat.
    pub(crate) fn done(self) -> Cause {
        let place = self.drafts.len().saturating_sub(1);
        Cause::SameBeat(u32::try_from(place).unwrap_or(u32::MAX))
    }
}
