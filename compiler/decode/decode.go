// Package decode reads unit files: a guard against hostile input, the TOML
// decoder, and a binder over the field table of package unit. It decodes to maps
// only. Positions are not part of that: a place names a key or value, and an
// [Index] finds where it is when a diagnostic is shown.
package decode

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
)

// Decoded is what comes of a file.
type Decoded struct {
	File  *unit.File
	Diags *diag.List

	text string  // without what cannot be decoded
	lay  *layout // nil: it has none, or an Index can find it out
}

// Decode decodes a unit file whose units belong to group. It reports everything
// that is wrong in the file and returns what could be bound: a unit with an
// error inside is marked as broken and kept if it has a name.
func Decode(src *source.File, group string) Decoded {
	d := decoder{src: src, group: group}
	d.begin()
	if d.readable() {
		d.file()
	}
	if d.hidden {
		d.misnamed("")
	}
	out := Decoded{File: d.out, Diags: d.diags}
	if len(d.text) >= large || len(d.blanked) > 0 {
		out.text, out.lay = d.mended(), d.lay
	}
	return out
}

// File is [Decode] for somebody who has no use for an [Index].
func File(src *source.File, group string) (*unit.File, *diag.List) {
	d := Decode(src, group)
	return d.File, d.Diags
}

type decoder struct {
	src   *source.File
	group string
	text  string
	lay   *layout
	lines []int // of the headers, by segment

	out   *unit.File
	diags *diag.List
	bound map[string]int // units of each kind that have been bound

	damage

	again int  // bytes that were decoded to mend units
	kept  bool // whether the last error is in diags
}

// begin forgets everything but the text.
func (d *decoder) begin() {
	d.out = &unit.File{Source: d.src, Group: d.group}
	d.diags = &diag.List{}
	d.bound = map[string]int{}
	d.damage, d.again = newDamage(), 0
}

// readable checks that the file is text within the limits, and splits it.
func (d *decoder) readable() bool {
	if len(d.src.Text) > maxFile {
		d.error(diag.FileTooLarge, d.span(0, 0), "split the file into several",
			"the file has %d bytes, at most %d are allowed", len(d.src.Text), maxFile)
		return false
	}
	if at := firstBadByte(d.src.Text); at >= 0 {
		what, help := "is not UTF-8", "save the file as UTF-8 text"
		if d.src.Text[at] == 0 {
			what, help = "is in no text", "remove it, or save the file as UTF-8 text if it is in another encoding"
		}
		d.error(diag.NotText, d.span(at, at+1), help, "byte %#02x %s", d.src.Text[at], what)
		return false
	}
	d.text = string(d.src.Text)
	lay, bad := split(d.text)
	if bad != nil {
		d.error(bad.limit.code, d.span(bad.at, bad.at+1), bad.limit.help, "%s", bad.limit.message)
		return false
	}
	d.lay = lay
	d.lines = lay.lines(d.text)
	return true
}

// firstBadByte returns the offset of the first NUL or byte that is no UTF-8, or
// -1.
func firstBadByte(text []byte) int {
	bad := bytes.IndexByte(text, 0)
	if utf8.Valid(text) {
		return bad
	}
	for at := 0; at < len(text); {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n == 1 || r == 0 {
			return at
		}
		at += n
	}
	return bad
}

func (d *decoder) file() {
	if runs := d.runs(runSize); len(runs) > 1 {
		if d.inRuns(runs) {
			return
		}
		d.begin()
	}
	contents := d.decode()
	d.checkExtended(d.whole())
	d.topLevel(contents.top)
	if contents.between != nil && d.diags.Errors() == 0 {
		d.syntaxError(contents.between, contents.between.at, -1)
	}
	d.bind(contents.units)
}

// bind binds units of all kinds.
func (d *decoder) bind(units map[string][]map[string]any) {
	for i := range unit.Kinds {
		kind := &unit.Kinds[i]
		if kind.Support == unit.Supported {
			d.units(kind, units[kind.Name])
		}
	}
}

// gaveUp reports whether the file has so many errors that the rest of it is of no
// interest: it may be no unit file at all.
func (d *decoder) gaveUp() bool {
	if d.diags.Errors() < maxFileErrors {
		return false
	}
	d.error(diag.GaveUp, d.span(0, 0), "correct the first ones",
		"the file has %d errors and more: the rest of it is not checked", maxFileErrors)
	return true
}

// units binds the units of a kind. A nil one could not be decoded.
func (d *decoder) units(kind *unit.Kind, units []map[string]any) {
	for n, values := range units {
		i := d.bound[kind.Name]
		d.bound[kind.Name]++
		at := source.UnitOnLine(d.src, kind.Name, i, d.lines[d.lay.units[kind.Name][i]])
		item, done := kind.Begin(d.out, at)
		first := d.lay.units[kind.Name][i]
		b := binder{found: &findings{list: d.diags}, what: describe(kind.Name, values), lost: d.lost[first], kind: kind}
		if values == nil && !d.broken[first] {
			continue // nobody has looked at it, which has been reported
		}
		if values == nil {
			b.only(&kind.Table, "name", item, d.rescueName(first), at)
			done(unit.Lost{"": true})
			continue
		}
		b.table(&kind.Table, item, values, at)
		if b.lost == nil { // else a key may be missing because a line was not read
			b.contradictions(item, d.lostKeys(kind, first, b.found))
		}
		units[n] = nil // nobody needs it any more, and a large file has many
		d.add(b.found, at)
		if name, ok := values["name"].(string); d.lost[first]["name"] || ok && grammar.CheckName(name) != nil {
			d.misnamed(kind.Name)
		}
		done(d.lostKeys(kind, first, b.found))
	}
}

// misnamed notes a kind of which there are units without a name that can be relied on.
func (d *decoder) misnamed(kind string) {
	if i, known := slices.BinarySearch(d.out.Misnamed, kind); !known {
		d.out.Misnamed = slices.Insert(d.out.Misnamed, i, kind)
	}
}

// add adds what was found in the unit at a place.
func (d *decoder) add(found *findings, at source.Place) {
	for _, f := range found.kept {
		d.diags.Add(f)
	}
	if found.more > 0 {
		d.diags.Add(diag.Diagnostic{
			Code:     diag.TooManyErrors,
			Severity: diag.Error,
			Message:  fmt.Sprintf("the %s has %d more errors", at.Kind(), found.more),
			At:       at,
			Help:     "fix the others first",
		})
	}
}

// describe returns what messages call a unit.
func describe(kind string, values map[string]any) subject {
	if name, ok := values["name"].(string); ok && len(name) <= 64 {
		return subject{kind, name}
	}
	return subject{what: kind}
}

// topLevel checks everything in the file that is not a unit of a known kind.
func (d *decoder) topLevel(top map[string]any) {
	if len(top) == 0 {
		return
	}
	places := d.topLevelPlaces()
	outside := 0
	var first source.Span
	for _, key := range sortedKeys(top) {
		at := places(key)
		if _, known := unit.KindOf(key); known || !isScalar(top[key]) {
			d.topLevelKey(key, at)
			continue
		}
		if outside++; outside == 1 || at[0].Start < first.Start {
			first = at[0]
		}
	}
	d.outside(first, outside)
}

// outside reports keys that are in no unit, the first of which is at a place: what they
// lack is one header.
func (d *decoder) outside(at source.Span, n int) {
	const help = "write it below a header, such as `[[socket]]`"
	key := clip(strings.Trim(d.text[at.Start:at.End], `"'`))
	switch n {
	case 0:
	case 1:
		d.error(diag.UnknownKind, at, help, "key %q is outside of any unit", key)
	case 2:
		d.error(diag.UnknownKind, at, help, "key %q and another one are outside of any unit", key)
	default:
		d.error(diag.UnknownKind, at, help, "key %q and %d others are outside of any unit", key, n-1)
	}
}

func (d *decoder) topLevelKey(key string, places []source.Span) {
	kind, known := unit.KindOf(key)
	newer, isNewer := unit.KindOfNewer(key)
	for _, at := range places {
		switch {
		case known && kind.Support == unit.Foreign:
			d.diags.Add(diag.Diagnostic{
				Code:     diag.IgnoredKind,
				Severity: diag.Warning,
				Message:  fmt.Sprintf("`%s` is ignored: only the full Rind init has this kind of unit", key),
				Span:     at,
				Help:     "move it to a file that only the full Rind init reads",
			})
		case known && !strings.HasPrefix(d.text[at.Start:], "["):
			d.error(diag.SingleTable, at, fmt.Sprintf("write `[[%s]]`, and its keys on the lines below", key), "`%s` is written as a value, and not as a table of its own", key)
		case known && strings.HasPrefix(d.text[min(at.End, len(d.text)):], "]"): // [key]] is no TOML
			d.hidden = true
			d.error(diag.InvalidTOML, at, fmt.Sprintf("write `[[%s]]`", key), "invalid TOML: the header begins with one bracket and ends with two")
			d.fix("["+key+"]", "[["+key+"]")
		case known:
			d.error(diag.SingleTable, at, fmt.Sprintf("write `[[%s]]`: a file can have several", key),
				"`%s` must be an array of tables", key)
			d.fix("["+key+"]", "[["+key+"]]")
		case isNewer:
			d.error(diag.NewerSpelling, at, fmt.Sprintf("write `[[%s]]`", newer.Name),
				"`%s` is what newer Rind versions call `%s`", key, newer.Name)
			d.fix("[["+key+"]]", "[["+newer.Name+"]]")
		case d.meantHeader(key, at) != "":
			meant := d.meantHeader(key, at)
			d.error(diag.UnknownKind, at, fmt.Sprintf("write `%s`", meant), "`%s` begins a table of its own, not one of the unit above", d.text[at.Start:at.End])
			d.fix(d.text[at.Start:at.End], meant)
		default:
			d.unknownKind(key, at)
		}
	}
}

// isScalar reports whether a value of the top level cannot be meant as a unit.
func isScalar(value any) bool {
	switch value.(type) {
	case nil, map[string]any, []map[string]any: // nil: could not be decoded
		return false
	}
	return true
}

// unknownKind reports a header whose first part is no kind of unit.
func (d *decoder) unknownKind(key string, at source.Span) {
	help, near := helpKind(key)
	header := d.text[at.Start:min(at.End, len(d.text))]
	meant := "[[" + near + "]]"
	if near != "" && strings.HasPrefix(strings.TrimLeft(header, "["), key+".") { // a table inside a unit
		meant = strings.Replace(header, key, near, 1)
		help = fmt.Sprintf("did you mean `%s`?", meant)
	}
	d.error(diag.UnknownKind, at, help, "unknown kind of unit %q", clip(key))
	if near != "" && diag.Misspelt(key, near, kindNames()) != nil && (len(d.lay.units[key]) > 0 || !d.hasTables(key)) {
		d.fix(header, meant)
	}
}

// hasTables reports whether there are headers [key.…], which no unit of the name key has.
func (d *decoder) hasTables(key string) bool {
	tables, alone := false, false
	for i := range d.lay.segments {
		if s := &d.lay.segments[i]; s.kind == key {
			tables, alone = tables || s.parts > 1, alone || s.parts == 1
		}
	}
	return tables && alone
}

func kindNames() []string {
	var names []string
	for _, k := range unit.Kinds {
		if k.Support == unit.Supported {
			names = append(names, k.Name)
		}
	}
	return names
}

func helpKind(key string) (help, near string) {
	switch key {
	case "Unit", "Install":
		return "write everything below `[[service]]` or `[[socket]]`: this is a section of systemd", ""
	}
	names := kindNames()
	if name, ok := diag.Nearest(key, names); ok {
		return fmt.Sprintf("did you mean `[[%s]]`?", name), name
	}
	return "the kinds are " + quoteAll(names), ""
}

// topLevelPlaces finds where the keys of the top level are written that make no
// unit of a supported kind: each header, or else the first longer header or line
// that has the key.
func (d *decoder) topLevelPlaces() func(key string) []source.Span {
	units, others := map[string][]source.Span{}, map[string]source.Span{}
	for _, s := range d.lay.segments[1:] {
		at := d.span(s.start, s.head)
		if s.isUnit() && supported(s.kind) {
			continue
		}
		if s.parts == 1 {
			units[s.kind] = append(units[s.kind], at)
		} else if _, ok := others[s.kind]; !ok {
			others[s.kind] = at
		}
	}
	root, _ := parseUnit(d.text, d.lay, 0)
	return func(key string) []source.Span {
		if at, ok := units[key]; ok {
			return at
		}
		if at, ok := others[key]; ok {
			return []source.Span{at}
		}
		if n := root.step(source.Step{Key: key}); n != nil {
			return []source.Span{d.span(n.key.start, n.key.end)}
		}
		return []source.Span{d.span(0, 0)}
	}
}

func (d *decoder) span(start, end int) source.Span {
	return source.Span{File: d.src, Start: start, End: min(end, len(d.src.Text))}
}

func (d *decoder) error(code diag.Code, at source.Span, help, format string, args ...any) {
	if d.kept = !d.diags.Full(code, diag.Error); !d.kept {
		d.diags.Omit(code, diag.Error, 1)
		return
	}
	d.diags.Add(diag.Diagnostic{
		Code:     code,
		Severity: diag.Error,
		Message:  fmt.Sprintf(format, args...),
		Span:     at,
		Help:     help,
	})
}

// label adds a label to the last error.
func (d *decoder) label(l diag.Label) {
	if all := d.diags.All(); d.kept {
		all[len(all)-1].Labels = []diag.Label{l}
	}
}

// fix attaches a fix to the last error.
func (d *decoder) fix(old, replacement string) {
	if all := d.diags.All(); d.kept {
		all[len(all)-1].Fix = &diag.Fix{Old: old, New: replacement}
	}
}
