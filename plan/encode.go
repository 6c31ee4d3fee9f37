package plan

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// header is the first line of a plan: all that a program has to understand to
// say that it cannot run the rest. Its first three keys never change.
type header struct {
	Format     string      `json:"format"`
	Version    int         `json:"version"`
	Minor      int         `json:"minor"`
	Compiler   string      `json:"compiler"`
	Digest     string      `json:"digest"`
	Requires   []string    `json:"requires"`
	Transports []Transport `json:"transports"`
}

// body is the rest of a plan, in the order of the file.
type body struct {
	Sources     []Source     `json:"sources"`
	Permissions []Permission `json:"permissions"`
	States      []State      `json:"states"`
	Signals     []Signal     `json:"signals"`
	Timers      []Timer      `json:"timers"`
	Variables   []Variable   `json:"variables"`
	Services    []Service    `json:"services"`
	Sockets     []Socket     `json:"sockets"`
}

// Encode returns p in its canonical encoding. It sorts the lists of p and fills
// in p.Digest; it does not validate.
//
// The encoding is one JSON document made for review by line: the header is the
// first line, and every source and every unit has a line of its own. Keys have
// a fixed order, lists are sorted, there are no spaces, and the file ends with
// a line feed, so equal plans are equal bytes.
func (p *Plan) Encode() ([]byte, error) {
	p.sort()
	line, err := encode(header{
		Format: Format, Version: Version, Minor: Minor, Compiler: p.Compiler,
		Requires: nonNil(p.Requires), Transports: nonNil(p.Transports),
	})
	if err != nil {
		return nil, fmt.Errorf("encode the plan's header: %w", err)
	}
	var w writer
	w.buf.Write(bytes.TrimSuffix(line, []byte("}")))
	writeList(&w, "sources", p.Sources)
	writeList(&w, "permissions", p.Permissions)
	writeList(&w, "states", p.States)
	writeList(&w, "signals", p.Signals)
	writeList(&w, "timers", p.Timers)
	writeList(&w, "variables", p.Variables)
	writeList(&w, "services", p.Services)
	writeList(&w, "sockets", p.Sockets)
	w.buf.WriteString("\n}\n")
	if w.err != nil {
		return nil, fmt.Errorf("encode the plan: %w", w.err)
	}
	blank := w.buf.Bytes()
	p.Digest = digest(blank)
	at := bytes.Index(blank, emptyDigest) + len(emptyDigest) - 1
	return slices.Concat(blank[:at], []byte(p.Digest), blank[at:]), nil
}

// emptyDigest is how the digest stands in the text that is digested. Quotes in
// JSON strings are escaped, so the first occurrence is the key of the header.
var emptyDigest = []byte(`"digest":""`)

// digest returns the digest of a plan whose digest value is empty.
func digest(blank []byte) string {
	sum := sha256.Sum256(blank)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (p *Plan) sort() {
	slices.Sort(p.Requires)
	slices.SortStableFunc(p.Sources, func(a, b Source) int { return cmp.Compare(a.File, b.File) })
	slices.SortStableFunc(p.Transports, func(a, b Transport) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(p.Permissions, func(a, b Permission) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(p.States, func(a, b State) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(p.Signals, func(a, b Signal) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(p.Timers, func(a, b Timer) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(p.Variables, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(p.Services, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(p.Sockets, func(a, b Socket) int { return cmp.Compare(a.Name, b.Name) })
}

// writer collects the lines of a plan and the first error.
type writer struct {
	buf bytes.Buffer
	err error
}

func writeList[T any](w *writer, key string, list []T) {
	fmt.Fprintf(&w.buf, ",\n%q:[", key)
	for i := range list {
		if i > 0 {
			w.buf.WriteByte(',')
		}
		line, err := encode(&list[i])
		if err != nil {
			w.err = cmp.Or(w.err, fmt.Errorf("%s[%d]: %w", key, i, err))
			return
		}
		w.buf.WriteByte('\n')
		w.buf.Write(line)
	}
	if len(list) > 0 {
		w.buf.WriteByte('\n')
	}
	w.buf.WriteByte(']')
}

// encode is [json.Marshal] without the escapes for HTML, which would make paths
// and scripts unreadable in a review.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
