package plan

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
	w := newWriter()
	w.buf.Grow(typicalLine * (1 + len(p.States) + len(p.Signals) + len(p.Services) + len(p.Sockets)))
	if err := w.encode(header{
		Format: Format, Version: Version, Minor: Minor, Compiler: p.Compiler, Digest: roomForDigest,
		Requires: nonNil(p.Requires), Transports: nonNil(p.Transports),
	}); err != nil {
		return nil, fmt.Errorf("encode the plan's header: %w", err)
	}
	w.buf.Truncate(w.buf.Len() - len("}"))
	writeList(w, "sources", p.Sources)
	writeList(w, "permissions", p.Permissions)
	writeList(w, "states", p.States)
	writeList(w, "signals", p.Signals)
	writeList(w, "timers", p.Timers)
	writeList(w, "variables", p.Variables)
	writeList(w, "services", p.Services)
	writeList(w, "sockets", p.Sockets)
	w.buf.WriteString("\n}\n")
	if w.err != nil {
		return nil, fmt.Errorf("encode the plan: %w", w.err)
	}
	// A plan may be large: the digest is filled in where it has its room already.
	text := w.buf.Bytes()
	at := bytes.Index(text, digestKey) + len(digestKey)
	p.Digest = digest(text[:at], text[at+digestLen:])
	copy(text[at:], p.Digest)
	return text, nil
}

// typicalLine is about how many bytes of a plan a unit takes.
const typicalLine = 400

const (
	digestPrefix = "sha256:"
	digestLen    = len(digestPrefix) + 2*sha256.Size
)

// digestKey is what stands before the digest. Quotes in JSON strings are escaped,
// so the first occurrence is the key of the header.
var digestKey = []byte(`"digest":"`)

// roomForDigest stands for the digest while the plan is written.
var roomForDigest = strings.Repeat("_", digestLen)

// digest returns the digest of a plan whose digest value is empty, in parts.
func digest(blank ...[]byte) string {
	sum := sha256.New()
	for _, part := range blank {
		sum.Write(part) // never fails
	}
	return digestPrefix + hex.EncodeToString(sum.Sum(nil))
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
	buf  bytes.Buffer
	json *json.Encoder // into buf
	err  error
}

func newWriter() *writer {
	w := &writer{}
	w.json = json.NewEncoder(&w.buf)
	// The escapes for HTML would make paths and scripts unreadable in a review.
	w.json.SetEscapeHTML(false)
	return w
}

// encode writes v without the line feed that [json.Encoder.Encode] puts behind it.
func (w *writer) encode(v any) error {
	if err := w.json.Encode(v); err != nil {
		return err
	}
	w.buf.Truncate(w.buf.Len() - len("\n"))
	return nil
}

func writeList[T any](w *writer, key string, list []T) {
	fmt.Fprintf(&w.buf, ",\n%q:[", key)
	for i := range list {
		if i > 0 {
			w.buf.WriteByte(',')
		}
		w.buf.WriteByte('\n')
		if err := w.encode(&list[i]); err != nil {
			w.err = cmp.Or(w.err, fmt.Errorf("%s[%d]: %w", key, i, err))
			return
		}
	}
	if len(list) > 0 {
		w.buf.WriteByte('\n')
	}
	w.buf.WriteByte(']')
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
