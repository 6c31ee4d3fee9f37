package cond

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Kind is the type of a payload.
type Kind uint8

// Payload kinds. The zero Kind is invalid, so that a forgotten field is caught
// by validation instead of being taken for a payload of kind none.
const (
	_ Kind = iota
	None
	String
	Bytes
	JSON
)

var kindNames = map[Kind]string{None: "none", String: "string", Bytes: "bytes", JSON: "json"}

// Kinds lists every payload kind by its name in unit files, in the order in
// which messages show them.
var Kinds = []Kind{JSON, String, Bytes, None}

// ParseKind returns the kind with that name.
func ParseKind(name string) (Kind, bool) {
	for k, n := range kindNames {
		if n == name {
			return k, true
		}
	}
	return 0, false
}

func (k Kind) String() string {
	if n, ok := kindNames[k]; ok {
		return n
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText implements [encoding.TextMarshaler].
func (k Kind) MarshalText() ([]byte, error) {
	n, ok := kindNames[k]
	if !ok {
		return nil, fmt.Errorf("invalid payload kind %d", uint8(k))
	}
	return []byte(n), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (k *Kind) UnmarshalText(text []byte) error {
	got, ok := ParseKind(string(text))
	if !ok {
		return fmt.Errorf("unknown payload kind %q", text)
	}
	*k = got
	return nil
}

// Value is one payload. It is immutable; the zero Value is invalid.
type Value struct {
	kind Kind
	text string // string and bytes: the content; json: canonical text
	tree any    // json only: map[string]any, []any, string, json.Number, bool or nil
}

// NoneValue returns the payload of kind none.
func NoneValue() Value { return Value{kind: None} }

// StringValue returns a payload of kind string.
func StringValue(s string) Value { return Value{kind: String, text: s} }

// BytesValue returns a payload of kind bytes. It copies b.
func BytesValue(b []byte) Value { return Value{kind: Bytes, text: string(b)} }

// JSONValue returns a payload of kind json made of maps with string keys,
// slices of any, strings, json.Number, bools and nil. The tree belongs to the
// Value from then on.
func JSONValue(tree any) (Value, error) {
	text, err := Canonical(tree)
	if err != nil {
		return Value{}, err
	}
	return Value{kind: JSON, text: text, tree: tree}, nil
}

// ParseJSON returns the payload of kind json that text describes. Numbers keep
// the spelling they have in text, so that 1 and 1.0 stay apart.
func ParseJSON(text []byte) (Value, error) {
	tree, err := decodeTree(text)
	if err != nil {
		return Value{}, err
	}
	return JSONValue(tree)
}

// ParseValue returns the payload of the given kind that data holds: nothing for
// none, a JSON document for json, the bytes themselves otherwise.
func ParseValue(k Kind, data []byte) (Value, error) {
	switch k {
	case None:
		if len(data) != 0 {
			return Value{}, errors.New("a payload of kind none has no content")
		}
		return NoneValue(), nil
	case String:
		if !utf8.Valid(data) {
			return Value{}, errors.New("a payload of kind string must be valid UTF-8")
		}
		return StringValue(string(data)), nil
	case Bytes:
		return BytesValue(data), nil
	case JSON:
		return ParseJSON(data)
	}
	return Value{}, fmt.Errorf("invalid payload kind %v", k)
}

// Kind returns the payload's kind.
func (v Value) Kind() Kind { return v.kind }

// IsZero reports whether v is the invalid zero Value.
func (v Value) IsZero() bool { return v.kind == 0 }

// Text returns the text that equality and contains compare: canonical JSON, the
// string itself, the bytes if they are valid UTF-8 (else ""), or "" for none.
func (v Value) Text() string {
	if v.kind == Bytes && !utf8.ValidString(v.text) {
		return ""
	}
	return v.text
}

// Len returns how many bytes the content has.
func (v Value) Len() int { return len(v.text) }

// Raw returns the content that [ParseValue] makes the same Value of.
func (v Value) Raw() []byte { return []byte(v.text) }

// Tree returns the decoded document of a json payload, which the caller must
// not change, and nil for every other kind.
func (v Value) Tree() any { return v.tree }

// Equal reports whether v and w have the same kind and content.
func (v Value) Equal(w Value) bool { return v.kind == w.kind && v.text == w.text }

// wireValue is a Value in a plan, a control message or a log of events.
type wireValue struct {
	Kind  Kind            `json:"kind"`
	Text  *string         `json:"text,omitempty"`
	Bytes []byte          `json:"bytes,omitempty"`
	JSON  json.RawMessage `json:"json,omitempty"`
}

// MarshalJSON implements [json.Marshaler].
func (v Value) MarshalJSON() ([]byte, error) {
	w := wireValue{Kind: v.kind}
	switch v.kind {
	case None:
	case String:
		w.Text = &v.text
	case Bytes:
		w.Bytes = []byte(v.text)
	case JSON:
		w.JSON = json.RawMessage(v.text)
	default:
		return nil, errors.New("marshal an invalid payload")
	}
	return encode(w)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (v *Value) UnmarshalJSON(data []byte) error {
	var w wireValue
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	var err error
	switch w.Kind {
	case None:
		*v = NoneValue()
	case String:
		if w.Text == nil {
			return errors.New("a payload of kind string needs text")
		}
		*v = StringValue(*w.Text)
	case Bytes:
		*v = BytesValue(w.Bytes)
	case JSON:
		*v, err = ParseJSON(w.JSON)
	default:
		err = fmt.Errorf("invalid payload kind %v", w.Kind)
	}
	return err
}

// Canonical returns tree as JSON with sorted keys, no spaces and no HTML
// escaping; numbers keep their spelling.
func Canonical(tree any) (string, error) {
	b, err := encode(tree)
	return string(b), err
}

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func decodeTree(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return tree, nil
}
