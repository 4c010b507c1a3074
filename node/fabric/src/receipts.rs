//! Drafts of receipts, gathered while a beat is applied.

use phalanx_types::{
    Hash, Name, PublicKey, ReceiptDraft, ReceiptKind,
    receipt::{Cause, Data, Field, HiddenField},
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

/// One draft on its way.
pub(crate) struct Building<'a> {
    drafts: &'a mut Vec<ReceiptDraft>,
    draft: ReceiptDraft,
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
        Building { drafts: &mut self.0, draft }
    }

    pub(crate) fn into_vec(self) -> Vec<ReceiptDraft> {
        self.0
    }
}

impl Building<'_> {
    pub(crate) fn with(mut self, key: &str, value: Field) -> Self {
        self.draft.data.insert(key.to_owned(), value);
        self
    }

    pub(crate) fn text(self, key: &str, value: impl std::fmt::Display) -> Self {
        self.with(key, Field::text(value))
    }

    pub(crate) fn u32(self, key: &str, value: u32) -> Self {
        self.with(key, Field::u32(value))
    }

    pub(crate) fn u64(self, key: &str, value: u64) -> Self {
        self.with(key, Field::u64(value))
    }

    pub(crate) fn tenant(mut self, tenant: &Name) -> Self {
        self.draft.tenant = Some(tenant.clone());
        self
    }

    pub(crate) fn cause(mut self, cause: Option<Cause>) -> Self {
        self.draft.causes.extend(cause);
        self
    }

    pub(crate) fn hidden(mut self, hidden: HiddenField) -> Self {
        self.draft.data.insert(hidden.key.clone(), hidden.commitment());
        self.draft.hidden.push(hidden);
        self
    }

    /// Ends the draft; gives its place, for what it causes in the same beat.
    pub(crate) fn done(self) -> Cause {
        let place = u32::try_from(self.drafts.len()).unwrap_or(u32::MAX);
        self.drafts.push(self.draft);
        Cause::SameBeat(place)
    }
}
