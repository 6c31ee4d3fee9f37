package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rind-sockets/rind/plan/graph"
)

// Text returns the difference in words.
func (d *Diff) Text() string {
	if d.Equal() {
		return "nothing changes\n"
	}
	var b strings.Builder
	for _, kind := range kinds {
		d.kind(&b, kind)
	}
	return b.String()
}

// kind writes what happens to the units of a kind.
func (d *Diff) kind(b *strings.Builder, kind graph.Kind) {
	var shown []Change
	counts := map[Effect]int{}
	for _, c := range d.Changes {
		if c.Kind != kind {
			continue
		}
		counts[c.Effect]++
		if c.Effect != Kept || len(c.Fields) > 0 {
			shown = append(shown, c)
		}
	}
	if len(shown) == 0 {
		return
	}
	var parts []string
	for _, e := range effects {
		if n := counts[e]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, e))
		}
	}
	if n := d.Same[kind]; n > 0 && kind != graph.Socket { // those are kept
		parts = append(parts, fmt.Sprintf("%d unchanged", n))
	}
	fmt.Fprintf(b, "%ss: %s\n", kind, strings.Join(parts, ", "))
	width := 0
	for _, c := range shown {
		width = max(width, len(c.Effect))
	}
	for _, c := range shown {
		fmt.Fprintf(b, "  %-*s  %s", width, c.Effect, c.Name)
		if c.Note != "" {
			b.WriteString(": " + c.Note)
		}
		b.WriteByte('\n')
		for _, f := range c.Fields {
			f.write(b, strings.Repeat(" ", width+4))
		}
	}
}

// maxLine is how long the two values of a field may be to stand on one line.
const maxLine = 80

func (f Field) write(b *strings.Builder, indent string) {
	before, after := value(f.Old), value(f.New)
	if utf8.RuneCountInString(f.Key+before+after) <= maxLine {
		fmt.Fprintf(b, "%s%s: %s → %s\n", indent, f.Key, before, after)
		return
	}
	fmt.Fprintf(b, "%s%s:\n%s  - %s\n%s  + %s\n", indent, f.Key, indent, before, indent, after)
}

func value(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

// jsonVersion is the version of the json form; a new one only adds, unless it
// changes this.
const jsonVersion = 1

type jsonDiff struct {
	Format    string             `json:"format"`
	Version   int                `json:"version"`
	Equal     bool               `json:"equal"`
	Changes   []jsonChange       `json:"changes"`
	Unchanged map[graph.Kind]int `json:"unchanged"`
}

type jsonChange struct {
	Kind   graph.Kind  `json:"kind"`
	Name   string      `json:"name"`
	Effect Effect      `json:"effect"`
	Note   string      `json:"note,omitempty"`
	Fields []jsonField `json:"fields,omitempty"`
}

type jsonField struct {
	Key string `json:"key"`
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// JSON returns the difference as a JSON document. Every socket is in it.
func (d *Diff) JSON() ([]byte, error) {
	out := jsonDiff{Format: "rind.diff", Version: jsonVersion, Equal: d.Equal(), Changes: []jsonChange{}, Unchanged: d.Same}
	for _, c := range d.Changes {
		j := jsonChange{Kind: c.Kind, Name: string(c.Name), Effect: c.Effect, Note: c.Note}
		for _, f := range c.Fields {
			j.Fields = append(j.Fields, jsonField(f))
		}
		out.Changes = append(out.Changes, j)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
