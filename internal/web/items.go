package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// ItemRef is a path parameter that names an item.
type ItemRef struct {
	Item string `path:"item" doc:"an item's identifier, or the first digits of it if they are unique" example:"3f2a91c0"`
}

// fileReply is content as a file: nothing in it is shown or run by a browser.
type fileReply struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	NoSniff     string `header:"X-Content-Type-Options"`
	Body        []byte
}

func file(b []byte) *fileReply {
	return &fileReply{"application/octet-stream", "attachment", "nosniff", b}
}

// maxLetterJSON bounds a letter with attachments as JSON: base64 makes four bytes
// of three.
const maxLetterJSON = (station.MaxContent/3+1)*4 + 1<<20

// long lets an operation take a text of any size that a letter can have; without it
// a body ends at a megabyte.
func long(op huma.Operation) huma.Operation {
	op.MaxBodyBytes, op.BodyReadTimeout = maxLetterJSON, -1
	return op
}

func registerItems(api huma.API, s *station.Station) {
	registerSending(api, s)
	registerCopies(api, s)

	type filter struct {
		Contact string `query:"contact" doc:"only of this contact, by identifier or exact name"`
		Inbox   bool   `query:"inbox" doc:"only what came in"`
		Unread  bool   `query:"unread" doc:"only what came in whole and was not read"`
		Before  string `query:"before" doc:"only what stands before this: an item's identifier, or what the Link of an answer has"`
		Limit   int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"the newest so many"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/items", "items", "Signals and letters, oldest first", 200),
		func(ctx context.Context, in *filter) (*pieceOf[station.ItemInfo], error) {
			p, err := s.ItemPage(ctx, station.ItemFilter{Contact: in.Contact, Inbox: in.Inbox, Unread: in.Unread, Before: in.Before, Limit: in.Limit})
			asked := query{"contact": in.Contact, "inbox": in.Inbox, "unread": in.Unread, "limit": in.Limit}
			return piece(p.Items, asked.after(p.Next), err)
		})

	type page struct {
		Ref
		Before string `query:"before" doc:"only what stands before this: an item's identifier, or the next of an answer"`
		Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"the newest so many"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/contacts/{contact}/items", "conversation", "A page of a conversation, oldest first", 200),
		func(ctx context.Context, in *page) (*reply[station.Page], error) {
			return answer(s.Conversation(ctx, in.Contact, in.Before, in.Limit))
		})

	type search struct {
		Text    string `query:"text" required:"true" doc:"words of subject, text or file names; the last may be the beginning of one" example:"draft treaty"`
		Contact string `query:"contact" doc:"only of this contact, by identifier or exact name"`
		Before  string `query:"before" doc:"only what stands before this: an item's identifier, or what the Link of an answer has"`
		Limit   int    `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"the newest so many"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/search", "search", "Find signals and letters, newest first", 200),
		func(ctx context.Context, in *search) (*pieceOf[station.Hit], error) {
			hits, next, err := s.Search(ctx, station.SearchQuery{Text: in.Text, Contact: in.Contact, Before: in.Before, Limit: in.Limit})
			asked := query{"text": in.Text, "contact": in.Contact, "limit": in.Limit}
			return piece(hits, asked.after(next), err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/items/{item}", "item", "One signal or letter", 200),
		func(ctx context.Context, in *ItemRef) (*reply[station.ItemInfo], error) {
			return answer(s.Item(ctx, in.Item))
		})
	huma.Register(api, operation(http.MethodGet, "/v1/items/{item}/content", "content", "The content of an item that is here whole", 200),
		func(ctx context.Context, in *ItemRef) (*fileReply, error) {
			b, err := s.Content(ctx, in.Item)
			if err != nil {
				return nil, problem(err)
			}
			return file(b), nil
		})
	type part struct {
		ItemRef
		Number int `path:"number" minimum:"1" doc:"of the attachment, from 1"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/items/{item}/parts/{number}", "attachment", "An attachment of a letter that is here whole", 200),
		func(ctx context.Context, in *part) (*fileReply, error) {
			b, _, err := s.PartContent(ctx, in.Item, in.Number)
			if err != nil {
				return nil, problem(err)
			}
			return file(b), nil
		})
	huma.Register(api, operation(http.MethodPost, "/v1/items/{item}/read", "mark-read", "Mark an item as read, here only", 204),
		func(ctx context.Context, in *ItemRef) (*struct{}, error) {
			return nil, problem(s.MarkRead(ctx, in.Item))
		})
}

func registerSending(api huma.API, s *station.Station) {
	type signal struct {
		Ref
		Body struct {
			Text string `json:"text" doc:"a short text, 1 to 4,000 bytes" example:"We could talk about X."`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/contacts/{contact}/signals", "send-signal", "Send a signal", 201),
		func(ctx context.Context, in *signal) (*reply[station.ItemInfo], error) {
			return answer(s.Send(ctx, in.Contact, station.Draft{Kind: "signal", MediaType: "text/plain; charset=utf-8", Content: []byte(in.Body.Text)}))
		})

	type letter struct {
		Ref
		Subject   string `query:"subject" doc:"1,000 bytes at most; what is longer is cut"`
		FileName  string `query:"file_name" doc:"how the other side sees the file; empty for a written text"`
		MediaType string `query:"media_type" default:"application/octet-stream" doc:"what the content is" example:"text/markdown; charset=utf-8"`
		Strip     bool   `query:"strip" doc:"take the file's name and metadata out; refused for what cannot be stripped"`
		RawBody   []byte
	}
	op := operation(http.MethodPost, "/v1/contacts/{contact}/letters", "send-letter", "Send a letter: the body is its content", 201)
	op.MaxBodyBytes = station.MaxContent + 1
	op.BodyReadTimeout = -1
	op.RequestBody = &huma.RequestBody{Description: "the letter, byte for byte; it may be empty"}
	huma.Register(api, op, func(ctx context.Context, in *letter) (*reply[station.ItemInfo], error) {
		return answer(s.Send(ctx, in.Contact, station.Draft{
			Kind: "letter", Subject: in.Subject, FileName: in.FileName, MediaType: in.MediaType, Content: in.RawBody, Strip: in.Strip,
		}))
	})
	op.RequestBody.Required = false // Register takes for granted that a body has bytes

	type written struct {
		Ref
		Body writtenLetter
	}
	op = operation(http.MethodPost, "/v1/contacts/{contact}/written", "send-written", "Send a written letter, with attachments", 201)
	huma.Register(api, long(op), func(ctx context.Context, in *written) (*reply[station.ItemInfo], error) {
		return answer(s.Send(ctx, in.Contact, station.Draft{
			Kind: "letter", Subject: in.Body.Subject, MediaType: in.Body.TextType + "; charset=utf-8",
			Content: []byte(in.Body.Text), Attachments: in.Body.Attachments, Strip: in.Body.Strip,
		}))
	})

	type estimate struct {
		Ref
		Bytes int64 `query:"bytes" minimum:"0" doc:"size of the content"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/contacts/{contact}/estimate", "estimate", "How long a letter would take, behind what waits already", 200),
		func(ctx context.Context, in *estimate) (*reply[station.Left], error) {
			l, err := s.Estimate(ctx, in.Contact, in.Bytes)
			if err != nil {
				return nil, problem(err)
			}
			return answer(*l, nil)
		})

	huma.Register(api, operation(http.MethodPost, "/v1/items/{item}/acknowledge", "acknowledge", "Tell the other side that a person has the item: a message of a fixed size, once", 200),
		func(ctx context.Context, in *ItemRef) (*reply[station.ItemInfo], error) {
			return answer(s.Acknowledge(ctx, in.Item))
		})
	huma.Register(api, operation(http.MethodPost, "/v1/items/{item}/cancel", "cancel", "Withdraw an item of one's own that is not on its way as a whole", 200),
		func(ctx context.Context, in *ItemRef) (*reply[station.ItemInfo], error) {
			return answer(s.CancelItem(ctx, in.Item))
		})
}

// writtenLetter is the body of a written letter.
type writtenLetter struct {
	Subject     string               `json:"subject,omitempty" required:"false" doc:"1,000 bytes at most; what is longer is cut"`
	Text        string               `json:"text" doc:"may be empty"`
	TextType    string               `json:"text_type,omitempty" required:"false" default:"text/markdown" enum:"text/plain,text/markdown" doc:"how to read the text"`
	Attachments []station.Attachment `json:"attachments,omitempty" required:"false" doc:"files, together with the text 10 MiB at most"`
	Strip       bool                 `json:"strip,omitempty" required:"false" doc:"take names and metadata out of every file; refused for what cannot be stripped"`
}

func registerCopies(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodDelete, "/v1/items/{item}", "erase-item", "Erase one's own copy", 204),
		func(ctx context.Context, in *ItemRef) (*struct{}, error) {
			return nil, problem(s.EraseItem(ctx, in.Item))
		})
	type edit struct {
		ItemRef
		Body station.Edit
	}
	huma.Register(api, long(operation(http.MethodPatch, "/v1/items/{item}", "edit-item", "Change one's own copy, whoever wrote it; nothing tells that it was changed", 200)),
		func(ctx context.Context, in *edit) (*reply[station.ItemInfo], error) {
			return answer(s.EditItem(ctx, in.Item, in.Body))
		})
	type insert struct {
		Ref
		Body station.Insert
	}
	huma.Register(api, long(operation(http.MethodPost, "/v1/contacts/{contact}/items", "insert-item", "Put an item into one's own copy of a conversation; nothing is sent, nothing tells it from a real one", 201)),
		func(ctx context.Context, in *insert) (*reply[station.ItemInfo], error) {
			return answer(s.InsertItem(ctx, in.Contact, in.Body))
		})

	type mute struct {
		Ref
		Body struct {
			Muted bool `json:"muted" doc:"what arrives is not announced"`
		}
	}
	huma.Register(api, operation(http.MethodPut, "/v1/contacts/{contact}/muted", "mute", "Let a contact arrive without notice, or with", 200),
		func(ctx context.Context, in *mute) (*reply[station.ContactInfo], error) {
			return answer(s.SetMuted(ctx, in.Contact, in.Body.Muted))
		})
	type sealKey struct {
		Ref
		Body struct {
			Key string `json:"key" maxLength:"200" doc:"64 hexadecimal digits; empty forgets it"`
		}
	}
	huma.Register(api, operation(http.MethodPut, "/v1/contacts/{contact}/seal-key", "note-seal-key", "Note the key of which a contact's principal publishes that it signs with it; at level public nothing is signed with another", 200),
		func(ctx context.Context, in *sealKey) (*reply[station.ContactInfo], error) {
			return answer(s.SetSealKey(ctx, in.Contact, in.Body.Key))
		})
	type expiry struct {
		Ref
		Body struct {
			Seconds int64 `json:"expiry_seconds" minimum:"0" maximum:"3153600000" doc:"0 for never, else 60 to 3,153,600,000 (a hundred years)" example:"2592000"`
		}
	}
	huma.Register(api, operation(http.MethodPut, "/v1/contacts/{contact}/expiry", "set-expiry", "Erase own copies so long after they were delivered or read", 200),
		func(ctx context.Context, in *expiry) (*reply[station.ContactInfo], error) {
			return answer(s.SetExpiry(ctx, in.Contact, time.Duration(in.Body.Seconds)*time.Second))
		})

	type draft struct {
		Ref
		Body station.KeptDraft
	}
	huma.Register(api, operation(http.MethodGet, "/v1/contacts/{contact}/draft", "draft", "What was begun to write to a contact", 200),
		func(ctx context.Context, in *Ref) (*reply[station.KeptDraft], error) {
			return answer(s.KeptDraft(ctx, in.Contact))
		})
	huma.Register(api, long(operation(http.MethodPut, "/v1/contacts/{contact}/draft", "keep-draft", "Keep a draft; an empty one erases it", 204)),
		func(ctx context.Context, in *draft) (*struct{}, error) {
			return nil, problem(s.KeepDraft(ctx, in.Contact, in.Body))
		})
}
