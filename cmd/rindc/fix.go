package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// maxFixRounds bounds how often files are compiled again for what a fix has
// brought to light.
const maxFixRounds = 10

// fix corrects what can be corrected in the files that were read, and writes
// those that it changes, each at once. An error is one of l, which then goes on
// with what the file has.
func (e env) fix(l *loader, o reporting) {
	before := maps.Clone(l.files)
	fixed := l.applyFixes(func() compilation { return l.check(o) })
	for _, path := range slices.Sorted(maps.Keys(fixed)) {
		name := l.files[path].Name
		text, err := readFile(path)
		if err == nil && !bytes.Equal(text, before[path].Text) {
			err = fmt.Errorf("%s has changed since it was read: it is left alone", name)
		}
		if err == nil {
			err = writeFile(path, l.files[path].Text)
		}
		if err != nil {
			l.files[path] = before[path]
			l.errs = append(l.errs, err)
			continue
		}
		e.complain("fixed: %s in %s\n", count(fixed[path], "finding"), name)
	}
}

// applyFixes applies fixes to the files in memory until there are none, and
// returns how many by path. compile compiles these files. A fix with which less of its
// file can be read is left out: that is a mistake of a rule.
func (l *loader) applyFixes(compile func() compilation) map[string]int {
	fixed, spoiled := map[string]int{}, map[string]bool{}
	for range maxFixRounds {
		c := compile()
		edits := map[string][]diag.Edit{} // by name
		for _, d := range c.found {
			if edit, ok := d.Edit(c.Locate); ok {
				edits[edit.Span.File.Name] = append(edits[edit.Span.File.Name], edit)
			}
		}
		changed := map[string]int{} // by path
		old := maps.Clone(l.files)
		for path, in := range l.files {
			if list := edits[in.Name]; len(list) > 0 && !spoiled[path] {
				in.Text, changed[path] = diag.Apply(list[0].Span.File, list)
				l.files[path] = in
			}
		}
		if len(changed) == 0 {
			break
		}
		was, is := unreadable(c), unreadable(compile())
		for path, n := range changed {
			if name := l.files[path].Name; is[name] > was[name] {
				l.files[path] = old[path]
				spoiled[path] = true
				n = l.applySound(path, edits[name], compile, was[name])
			}
			if n > 0 {
				fixed[path] += n
			}
		}
	}
	return fixed
}

// maxTried is how many fixes of a file are tried one by one.
const maxTried = 50

// applySound applies those fixes of a file that leave no more unreadable than was, when
// all of them together do not. It returns how many.
func (l *loader) applySound(path string, edits []diag.Edit, compile func() compilation, was int) int {
	in := l.files[path]
	original := in.Text
	var sound []diag.Edit
	for _, e := range edits[:min(len(edits), maxTried)] {
		list := append(slices.Clip(sound), e)
		in.Text, _ = diag.Apply(e.Span.File, list)
		l.files[path] = in
		if unreadable(compile())[in.Name] <= was {
			sound = list
		}
	}
	in.Text = original
	n := 0
	if len(sound) > 0 {
		in.Text, n = diag.Apply(sound[0].Span.File, sound)
	}
	l.files[path] = in
	return n
}

// unreadable counts the findings that make a file, or units of it, unreadable:
// of these a fix must not make more.
func unreadable(c compilation) map[string]int {
	n := map[string]int{}
	for _, d := range c.found {
		code := string(d.Code)
		if strings.HasPrefix(code, "S") || strings.HasPrefix(code, "X") {
			n[fileName(d.Where(c.Locate))]++
		}
	}
	return n
}

func fileName(at source.Span) string {
	if at.IsZero() {
		return ""
	}
	return at.File.Name
}
