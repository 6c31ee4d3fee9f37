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
			From: 4, To: 205, Message: "a name of 201 bytes is too long, at most 200 are allowed", Help: "shorten the name",
		}},
		{name: "address too long", in: strings.Repeat("a/", 2048) + "@b", wantErr: &Error{
			From: 0, To: 4098, Message: "an address of 4098 bytes is too long, at most 4096 are allowed", Help: "shorten the name or the path of its file",
		}},
		{name: "empty", in: "", wantErr: &Error{From: 0, To: 0, Message: "an address must not be empty", Help: addressForm}},
		{name: "newer spelling", in: "net:web", wantErr: &Error{
			From: 0, To: 7, Message: "`group:name` is the spelling of newer Rind versions", Help: "write `net@web`", Instead: "net@web",
		}},
		{name: "a character that no name has", in: "net@wéb", wantErr: &Error{
			From: 5, To: 7, Message: `an address must not contain "é"`, Help: addressForm + " with letters, digits, `_`, `.` and `-`",
		}},
		{name: "half a character", in: "net@\xc3", wantErr: &Error{
			From: 4, To: 5, Message: `an address must not contain "\xc3"`, Help: addressForm + " with letters, digits, `_`, `.` and `-`",
		}},
		{name: "space", in: "net @web", wantErr: &Error{
			From: 3, To: 4, Message: `an address must not contain " "`, Help: addressForm + " with letters, digits, `_`, `.` and `-`",
		}},
		{name: "two ats", in: "a@b@c", wantErr: &Error{From: 3, To: 4, Message: "an address has only one `@`", Help: addressForm}},
		{name: "no group", in: "@web", wantErr: &Error{From: 0, To: 1, Message: `a name is missing before "@"`, Help: addressForm}},
		{name: "no name", in: "net@", wantErr: &Error{From: 3, To: 4, Message: `a name is missing after "@"`, Help: addressForm}},
		{name: "empty segment", in: "a//b@c", wantErr: &Error{From: 2, To: 3, Message: `a name is missing before "/"`, Help: addressForm}},
		{name: "slash at the end", in: "a/", wantErr: &Error{From: 1, To: 2, Message: `a name is missing after "/"`, Help: addressForm}},
		{name: "group alone", in: "a/b", wantErr: &Error{From: 0, To: 3, Message: "an address must not be a group alone", Help: "write `a@b`, or `a/b@name` for something in that group"}},
		{name: "slash in the name", in: "a@b/c", wantErr: &Error{From: 3, To: 4, Message: `a name must not contain "/"`, Help: addressForm}},
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
	tree, err := addressParser().ParseString("", s)
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
		return
	}
	if fix := bad.Fix(s); fix != nil && fix.Old == fix.New {
		t.Errorf("%q: the correction of %+v changes nothing", s, *bad)
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
