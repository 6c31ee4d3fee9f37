package diag_test

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

func TestCodes(t *testing.T) {
	form := regexp.MustCompile(`^(S0|K1|N2|T3|A4|F5|P6|X9)[0-9]{3}$`)
	for _, i := range diag.Codes {
		if !form.MatchString(string(i.Code)) {
			t.Errorf("code %q has no family", i.Code)
		}
		if i.Title == "" || strings.HasSuffix(i.Title, ".") {
			t.Errorf("title of %s is %q, want a phrase without a period", i.Code, i.Title)
		}
		if got, ok := diag.Lookup(i.Code); !ok || got != i {
			t.Errorf("Lookup(%s) = %+v, %t", i.Code, got, ok)
		}
	}
	strict := func(a, b diag.Info) int { return cmp.Or(strings.Compare(string(a.Code), string(b.Code)), 1) }
	if !slices.IsSortedFunc(diag.Codes, strict) {
		t.Error("the table of codes is not sorted, or a code is there twice")
	}
	if _, ok := diag.Lookup("K0000"); ok {
		t.Error("Lookup finds a code that does not exist")
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"name", "type", "listen", "start-on", "stop-on", "on-start", "on-stop", "max_retries", "user", "restart"}
	tests := []struct {
		name, word, want string // "": nothing is near
	}{
		{"underscore", "start_on", "start-on"},
		{"case", "Start-On", "start-on"},
		{"dash is missing", "onstart", "on-start"},
		{"dash for underscore", "max-retries", "max_retries"},
		{"one letter too few", "lisen", "listen"},
		{"one letter too many", "namee", "name"},
		{"swapped", "lisetn", "listen"},
		{"other letter", "tipe", "type"},
		{"the nearer one", "stap-on", "stop-on"},
		{"the word itself does not count", "name", ""},
		{"far", "permissions", ""},
		{"short and far", "xy", ""},
		{"an abbreviation", "usr", "user"},
		{"another word that ends alike", "ExecStart", ""},
		{"empty", "", ""},
		{"too long to compare", strings.Repeat("name", 100), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := diag.Nearest(tt.word, keys)
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("Nearest(%q) = %q, %t, want %q", tt.word, got, ok, tt.want)
			}
		})
	}
}

func TestNearAddress(t *testing.T) {
	tests := []struct {
		name, address, near string
		want                bool
	}{
		{"a letter of the name", "rind@onlin", "rind@online", true},
		{"a letter of the group", "rnd@online", "rind@online", true},
		{"another name of the group", "mail@nope", "mail@pop3", false},
		{"no group", "onlin", "online", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := diag.NearAddress(tt.address, tt.near); got != tt.want {
				t.Errorf("NearAddress(%q, %q) = %t", tt.address, tt.near, got)
			}
		})
	}
}

func TestNearestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z]{4,12}`).Draw(t, "word")
		at := rapid.IntRange(0, len(word)-1).Draw(t, "at")
		for _, typo := range []string{word[:at] + word[at+1:], word[:at] + "0" + word[at:], word[:at] + "0" + word[at+1:]} {
			if got, ok := diag.Nearest(typo, []string{"zzzzzzzzzzzzzzzzzzzzzzzz", word}); !ok || got != word {
				t.Fatalf("Nearest(%q) = %q, %t, want %q", typo, got, ok, word)
			}
		}
	})
}

func TestSorted(t *testing.T) {
	a := &source.File{Name: "a.toml", Text: []byte("0123456789")}
	b := &source.File{Name: "b.toml", Text: []byte("0123456789")}
	locate := func(p source.Place) source.Span {
		return source.Span{File: p.File(), Start: p.Index(), End: p.Index() + 1}
	}
	at := func(f *source.File, offset int) source.Place { return source.UnitPlace(f, "", offset) }
	var l diag.List
	for _, d := range []diag.Diagnostic{
		{Code: "K1005", Severity: diag.Error, Message: "fifth", At: at(b, 1)},
		{Code: "K1005", Severity: diag.Error, Message: "fourth", At: at(a, 7)},
		{Code: "T3001", Severity: diag.Warning, Message: "third", At: at(a, 3)},
		{Code: "K1005", Severity: diag.Error, Message: "second", Span: source.Span{File: a, Start: 3, End: 4}},
		{Code: "K1005", Severity: diag.Error, Message: "second", At: at(a, 3)},
		{Code: "X9001", Severity: diag.Error, Message: "first"},
	} {
		l.Add(d)
	}
	before := slices.Clone(l.All())
	var got []string
	for _, d := range diag.Sorted(l.All(), locate) {
		got = append(got, d.Message)
	}
	if diff := gocmp.Diff([]string{"first", "second", "third", "fourth", "fifth"}, got); diff != "" {
		t.Errorf("Sorted (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(before, l.All(), gocmp.AllowUnexported(source.File{})); diff != "" {
		t.Errorf("Sorted changed its argument (-before +after):\n%s", diff)
	}
	if l.Errors() != 5 {
		t.Errorf("Errors() = %d, want 5", l.Errors())
	}
	var all diag.List
	all.Append(&l)
	all.Append(&l)
	if all.Errors() != 10 || len(all.All()) != 12 {
		t.Errorf("two lists of 6 with 5 errors give %d with %d errors", len(all.All()), all.Errors())
	}
}
