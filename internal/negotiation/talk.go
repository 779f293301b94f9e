package negotiation

// Signal is a short text.
type Signal struct {
	Text string `cbor:"1,keyasint" json:"text"`
}

func (*Signal) kind() Kind { return KindSignal }
func (b *Signal) check() error {
	if b.Text == "" {
		return refused("a signal is empty")
	}
	return CheckText("a signal", b.Text, MaxSignal)
}

// Letter is a long text with files.
type Letter struct {
	Subject     string       `cbor:"1,keyasint,omitempty" json:"subject,omitempty"`
	Text        string       `cbor:"2,keyasint" json:"text"`
	Attachments []Attachment `cbor:"3,keyasint,omitempty" json:"attachments,omitempty"`
}

// Attachment is a file of a letter. Name and type are hints by its sender; nothing
// acts on them.
type Attachment struct {
	Name string `cbor:"1,keyasint" json:"name"`
	Type string `cbor:"2,keyasint,omitempty" json:"type,omitempty"`
	Data []byte `cbor:"3,keyasint" json:"data"`
}

func (*Letter) kind() Kind { return KindLetter }
func (b *Letter) check() error {
	if err := CheckLine("the subject", b.Subject, MaxTitle); err != nil {
		return err
	}
	if len(b.Attachments) > MaxAttachments {
		return refused("a letter has %d attachments, at most %d fit", len(b.Attachments), MaxAttachments)
	}
	for _, a := range b.Attachments {
		if err := need("the name of an attachment", a.Name); err != nil {
			return err
		}
		if err := CheckLine("the media type of an attachment", a.Type, 127); err != nil {
			return err
		}
	}
	return CheckText("a letter", b.Text, MaxText)
}

// Comment is a remark on any statement.
type Comment struct {
	On   ID     `cbor:"1,keyasint" json:"on"`
	Text string `cbor:"2,keyasint" json:"text"`
}

func (*Comment) kind() Kind { return KindComment }
func (b *Comment) check() error {
	if b.Text == "" {
		return refused("a comment is empty")
	}
	return CheckText("a comment", b.Text, MaxNote)
}

// Draft is one version of a text that all work on. Base is the version it was made
// from; the first has none, and gives the text its title.
type Draft struct {
	Rev   uint64 `cbor:"1,keyasint" json:"rev"`
	Base  *ID    `cbor:"2,keyasint,omitempty" json:"base,omitempty"`
	Text  string `cbor:"3,keyasint" json:"text"`
	Title string `cbor:"4,keyasint,omitempty" json:"title,omitempty"`
}

func (*Draft) kind() Kind { return KindDraft }
func (b *Draft) check() error {
	if b.Rev == 0 || (b.Rev == 1) != (b.Base == nil) {
		return refused("the first version of a draft has number 1 and no base, every other has a base")
	}
	if b.Rev == 1 {
		if err := need("the title of a draft", b.Title); err != nil {
			return err
		}
	} else if b.Title != "" {
		return refused("only the first version of a draft has a title")
	}
	return CheckText("a draft", b.Text, MaxText)
}
