package render_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/diag/render"
)

// object is a JSON object of a SARIF log, with its path for messages.
type object struct {
	t      *testing.T
	path   string
	values map[string]any
	used   map[string]bool
}

// only reports the properties that nothing has asked for: the schema has
// "additionalProperties": false throughout.
func (o object) only() {
	o.t.Helper()
	for name := range o.values {
		if !o.used[name] {
			o.t.Errorf("%s has the property %s, which the test does not know", o.path, name)
		}
	}
}

func (o object) get(name string) (any, bool) {
	o.used[name] = true
	v, ok := o.values[name]
	return v, ok
}

func (o object) object(name string) (object, bool) {
	o.t.Helper()
	v, ok := o.get(name)
	return newObject(o.t, o.path+"."+name, v, ok), ok
}

func newObject(t *testing.T, path string, v any, ok bool) object {
	t.Helper()
	values, is := v.(map[string]any)
	if ok && !is {
		t.Errorf("%s is %T, want an object", path, v)
	}
	return object{t, path, values, map[string]bool{}}
}

// list returns the objects of an array, of which there must be at least min.
func (o object) list(name string, least int) []object {
	o.t.Helper()
	v, ok := o.get(name)
	items, is := v.([]any)
	if ok && !is || len(items) < least {
		o.t.Errorf("%s.%s is %v, want an array of at least %d", o.path, name, v, least)
	}
	var out []object
	for i, item := range items {
		out = append(out, newObject(o.t, fmt.Sprintf("%s.%s[%d]", o.path, name, i), item, true))
	}
	return out
}

func (o object) text(name string, allowed ...string) string {
	o.t.Helper()
	v, _ := o.get(name)
	s, ok := v.(string)
	if !ok || s == "" || len(allowed) > 0 && !slices.Contains(allowed, s) {
		o.t.Errorf("%s.%s is %v, want a string %v", o.path, name, v, allowed)
	}
	return s
}

func (o object) number(name string, least int) int {
	o.t.Helper()
	v, _ := o.get(name)
	n, ok := v.(float64)
	if !ok || n != float64(int(n)) || int(n) < least {
		o.t.Errorf("%s.%s is %v, want a whole number of at least %d", o.path, name, v, least)
	}
	return int(n)
}

// message checks a message or multiformatMessageString object.
func (o object) message(name string, required bool) {
	o.t.Helper()
	m, ok := o.object(name)
	if !ok {
		if required {
			o.t.Errorf("%s has no %s", o.path, name)
		}
		return
	}
	m.text("text")
	if _, ok := m.get("markdown"); ok {
		m.text("markdown")
	}
	m.only()
}

func (o object) artifact() {
	o.t.Helper()
	a, ok := o.object("artifactLocation")
	if !ok {
		o.t.Errorf("%s has no artifactLocation", o.path)
		return
	}
	if _, err := url.Parse(a.text("uri")); err != nil {
		o.t.Errorf("%s.uri: %v", a.path, err)
	}
	a.only()
}

func (o object) region(name string) {
	o.t.Helper()
	r, ok := o.object(name)
	if !ok {
		o.t.Errorf("%s has no %s", o.path, name)
		return
	}
	startLine, startColumn := r.number("startLine", 1), r.number("startColumn", 1)
	endLine, endColumn := r.number("endLine", startLine), r.number("endColumn", 1)
	if startLine == endLine && endColumn < startColumn {
		o.t.Errorf("%s ends before it begins", r.path)
	}
	r.number("byteOffset", 0)
	r.number("byteLength", 0)
	if s, ok := r.object("snippet"); ok {
		s.text("text")
		s.only()
	}
	r.only()
}

func (o object) location(related bool) {
	o.t.Helper()
	p, _ := o.object("physicalLocation")
	p.artifact()
	p.region("region")
	p.only()
	if related {
		o.number("id", 1)
		o.message("message", true)
	}
	o.only()
}

func (o object) fix() {
	o.t.Helper()
	o.message("description", false)
	for _, c := range o.list("artifactChanges", 1) {
		c.artifact()
		for _, r := range c.list("replacements", 1) {
			r.region("deletedRegion")
			if inserted, ok := r.object("insertedContent"); ok {
				if _, is := inserted.get("text"); !is {
					o.t.Errorf("%s has no text", inserted.path)
				}
				inserted.only()
			}
			r.only()
		}
		c.only()
	}
	o.only()
}

func (o object) result(rules []string) {
	o.t.Helper()
	id, index := o.text("ruleId"), o.number("ruleIndex", 0)
	if index >= len(rules) || rules[index] != id {
		o.t.Errorf("%s has rule %d, which is not %s", o.path, index, id)
	}
	o.text("level", "none", "note", "warning", "error")
	o.message("message", true)
	for _, l := range o.list("locations", 0) {
		l.location(false)
	}
	for _, l := range o.list("relatedLocations", 0) {
		l.location(true)
	}
	prints, ok := o.object("partialFingerprints")
	if !ok || prints.text("rindc/v1") == "" {
		o.t.Errorf("%s has no fingerprint", o.path)
	}
	for _, s := range o.list("suppressions", 0) {
		s.text("kind", "inSource", "external")
		s.text("justification")
		s.only()
	}
	for _, f := range o.list("fixes", 0) {
		f.fix()
	}
	o.only()
}

// checkSARIF checks a log against the rules of the SARIF 2.1.0 schema for the
// objects that we write.
func checkSARIF(t *testing.T, text string) object {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	log := newObject(t, "log", v, true)
	log.text("version", "2.1.0")
	if s := log.text("$schema"); !strings.HasSuffix(s, "sarif-schema-2.1.0.json") {
		t.Errorf("log.$schema is %q", s)
	}
	runs := log.list("runs", 1)
	log.only()
	run := runs[0]
	run.text("columnKind", "utf16CodeUnits", "unicodeCodePoints")
	tool, _ := run.object("tool")
	driver, _ := tool.object("driver")
	driver.text("name", "rindc")
	driver.text("semanticVersion")
	driver.text("informationUri")
	var rules []string
	for _, r := range driver.list("rules", 0) {
		id := r.text("id")
		if slices.Contains(rules, id) {
			t.Errorf("%s: there are two rules %s", r.path, id)
		}
		rules = append(rules, id)
		r.message("shortDescription", false)
		r.message("fullDescription", false)
		r.message("help", false)
		c, _ := r.object("defaultConfiguration")
		c.text("level", "none", "note", "warning", "error")
		c.only()
		r.only()
	}
	driver.only()
	tool.only()
	if _, ok := run.values["results"].([]any); !ok {
		t.Errorf("run.results is %v: without an array, the run has not looked for anything", run.values["results"])
	}
	for _, r := range run.list("results", 0) {
		r.result(rules)
	}
	run.only()
	return run
}

func TestSARIF(t *testing.T) {
	run := checkSARIF(t, write(t, "sarif", corpus()))
	if n := len(run.list("results", 5)); n != 5 {
		t.Errorf("%d results, want 4 and a suppressed one", n)
	}
	clean := checkSARIF(t, write(t, "sarif", render.Report{Version: "1.2.3", Locate: locate, Lookup: lookup}))
	if n := len(clean.list("results", 0)); n != 0 {
		t.Errorf("%d results of nothing", n)
	}
	if out := write(t, "sarif", corpus()); !strings.Contains(out, `"uri": "./a,b:%20100%25/%3C%C3%BC%3E%1B.toml"`) {
		t.Errorf("the file name is not escaped:\n%s", out)
	}
}
