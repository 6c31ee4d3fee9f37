// Package schema makes JSON Schemas: of unit files, for editors, from the field
// table that also binds them; and of plans, from the types of package plan.
//
// They are of draft-07, which is what the language servers for TOML understand.
// A schema is for completion and for mistakes that show while typing; what a
// value means is the business of rindc check.
package schema

import (
	"bytes"
	"encoding/json"
)

// draft is the dialect of every schema here.
const draft = "http://json-schema.org/draft-07/schema#"

// Schema is one JSON Schema, or a part of one. Only the keywords in use are here.
// The zero Schema allows everything.
type Schema struct {
	Dialect     string `json:"$schema,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Default     any    `json:"default,omitempty"`

	Ref     string   `json:"$ref,omitempty"`
	Type    string   `json:"type,omitempty"`
	Const   any      `json:"const,omitempty"`
	Enum    []string `json:"enum,omitempty"`
	Pattern string   `json:"pattern,omitempty"`
	Minimum *int64   `json:"minimum,omitempty"`
	Maximum *int64   `json:"maximum,omitempty"`

	MinLength int `json:"minLength,omitempty"`

	Items    *Schema `json:"items,omitempty"`
	MinItems int     `json:"minItems,omitempty"`

	Properties    map[string]*Schema `json:"properties,omitempty"`
	Required      []string           `json:"required,omitempty"`
	Additional    any                `json:"additionalProperties,omitempty"` // false or *Schema
	MaxProperties int                `json:"maxProperties,omitempty"`

	AllOf []*Schema `json:"allOf,omitempty"`
	AnyOf []*Schema `json:"anyOf,omitempty"`
	OneOf []*Schema `json:"oneOf,omitempty"`
	If    *Schema   `json:"if,omitempty"`
	Then  *Schema   `json:"then,omitempty"`

	Definitions map[string]*Schema `json:"definitions,omitempty"`
}

// Encode returns s as indented JSON, the same bytes every time.
func (s *Schema) Encode() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// closed makes s an object without other keys than its properties.
func (s *Schema) closed() *Schema {
	s.Type, s.Additional = "object", false
	return s
}

// described sets the description unless s has one of its own, and returns s.
func (s *Schema) described(text string) *Schema {
	if s.Ref != "" {
		// Next to $ref, draft-07 ignores everything.
		s = &Schema{AllOf: []*Schema{s}}
	}
	s.Description = text
	return s
}

func typed(name string) *Schema { return &Schema{Type: name} }

func ref(definition string) *Schema { return &Schema{Ref: "#/definitions/" + definition} }

func arrayOf(item *Schema) *Schema { return &Schema{Type: "array", Items: item} }

func anyOf(list ...*Schema) *Schema { return &Schema{AnyOf: list} }

// between sets the range of an integer; limits that are those of the type are
// left out.
func (s *Schema) between(low, high int64) *Schema {
	const lowest, highest = -1 << 63, 1<<63 - 1
	if low != lowest {
		s.Minimum = &low
	}
	if high != highest {
		s.Maximum = &high
	}
	return s
}
