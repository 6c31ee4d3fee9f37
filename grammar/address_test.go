package grammar

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseAddress(t *testing.T) {
	long := strings.Repeat("n", MaxSegment)
	tests := []struct {
		name, in string
		want     Address
		wantErr  *Error
	}{
		{name: "name", in: "web", want: Address{Name: "web"}},
		{name: "qualified", in: "net@web", want: Address{Group: "net", Name: "web"}},
		{name: "group with segments", in: "a/b/c@web", want: Address{Group: "a/b/c", Name: "web"}},
		{name: "every character", in: "aZ09_.-@_.-09Za", want: Address{Group: "aZ09_.-", Name: "_.-09Za"}},
		{name: "longest segments", in: long + "@" + long, want: Address{Group: long, Name: long}},
		{name: "segment too long", in: "net@" + long + "x", wantErr: &Error{
			4, 205, "a name of 201 bytes is too long, at most 200 are allowed", "shorten the name",
		}},
		{name: "address too long", in: strings.Repeat("a/", 2048) + "@b", wantErr: &Error{
			0, 4098, "an address of 4098 bytes is too long, at most 4096 are allowed", "shorten the name or the path of its file",
		}},
		{name: "empty", in: "", wantErr: &Error{0, 0, "an address must not be empty", addressForm}},
		{name: "newer spelling", in: "net:web", wantErr: &Error{
			0, 7, "`group:name` is the spelling of newer Rind versions", "write `net@web`",
		}},
		{name: "a character that no name has", in: "net@wéb", wantErr: &Error{
			5, 7, `an address must not contain "é"`, addressForm + " with letters, digits, `_`, `.` and `-`",
		}},
		{name: "half a character", in: "net@\xc3", wantErr: &Error{
			4, 5, `an address must not contain "\xc3"`, addressForm + " with letters, digits, `_`, `.` and `-`",
		}},
		{name: "space", in: "net @web", wantErr: &Error{
			3, 4, `an address must not contain " "`, addressForm + " with letters, digits, `_`, `.` and `-`",
		}},
		{name: "two ats", in: "a@b@c", wantErr: &Error{3, 4, "an address has only one `@`", addressForm}},
		{name: "no group", in: "@web", wantErr: &Error{0, 1, `a name is missing before "@"`, addressForm}},
		{name: "no name", in: "net@", wantErr: &Error{3, 4, `a name is missing after "@"`, addressForm}},
		{name: "empty segment", in: "a//b@c", wantErr: &Error{2, 3, `a name is missing before "/"`, addressForm}},
		{name: "slash at the end", in: "a/", wantErr: &Error{1, 2, `a name is missing after "/"`, addressForm}},
		{name: "group alone", in: "a/b", wantErr: &Error{0, 3, "an address must not be a group alone", "write `a/b@name`"}},
		{name: "slash in the name", in: "a@b/c", wantErr: &Error{3, 4, `a name must not contain "/"`, addressForm}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseAddress(tt.in)
			if diff := cmp.Diff(tt.wantErr, err); diff != "" {
				t.Fatalf("ParseAddress(%q) error (-want +got):\n%s", tt.in, diff)
			}
			if err == nil && got != tt.want {
				t.Errorf("ParseAddress(%q) = %+v, want %+v", tt.in, got, tt.want)
			}
			if err == nil && got.String() != tt.in {
				t.Errorf("ParseAddress(%q).String() = %q", tt.in, got)
			}
		})
	}
}

func TestCheckName(t *testing.T) {
	tests := []struct {
		name, in string
		want     string // "": fine
	}{
		{"plain", "web-1.2_x", ""},
		{"empty", "", "a name must not be empty"},
		{"with a group", "net@web", `a name must not contain "@"`},
		{"with a slash", "a/b", `a name must not contain "/"`},
		{"space", "a b", `a name must not contain " "`},
		{"control character", "a\x00", `a name must not contain "\x00"`},
		{"too long", strings.Repeat("a", 201), "a name of 201 bytes is too long, at most 200 are allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := CheckName(tt.in); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("CheckName(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// checkAddress holds for every string: the fast path and the grammar agree, and
// errors point into the string and say what to do.
func checkAddress(t interface{ Errorf(string, ...any) }, s string) {
	fast, ok := acceptAddress(s)
	tree, err := addressParser.ParseString("", s)
	if ok != (err == nil) {
		t.Errorf("the fast path accepts %q: %t; the grammar: %v", s, ok, err)
		return
	}
	if ok && fast != tree.address() {
		t.Errorf("the fast path reads %q as %+v, the grammar as %+v", s, fast, tree.address())
	}
	a, bad := ParseAddress(s)
	switch {
	case bad == nil && a.String() != s:
		t.Errorf("ParseAddress(%q).String() = %q", s, a)
	case bad != nil:
		checkError(t, s, bad)
	}
	if bad := CheckName(s); bad != nil {
		checkError(t, s, bad)
	} else if a != (Address{Name: s}) {
		t.Errorf("%q is a name but not an address", s)
	}
}

func checkError(t interface{ Errorf(string, ...any) }, s string, bad *Error) {
	if bad.From < 0 || bad.To < bad.From || bad.To > len(s) || bad.Message == "" || bad.Help == "" {
		t.Errorf("%q: bad error %+v", s, *bad)
	}
}

func TestAddressLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkAddress(t, rapid.StringMatching(`[a@/:._-]{0,9}`).Draw(t, "address"))
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"web", "a/b@c", "a@b@c", "a:b", "", "@", "é@x", "a/b", "a@b/c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkAddress(t, s) })
}
