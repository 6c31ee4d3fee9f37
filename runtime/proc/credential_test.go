package proc

import (
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLookupCredential(t *testing.T) {
	me := uint32(os.Geteuid())
	tests := []struct {
		name, user, group string
		want              *Credential
		err               string
	}{
		{"nothing", "", "", nil, ""},
		{"name", "root", "", &Credential{Groups: []uint32{0}}, ""},
		{"number with an entry", "0", "", &Credential{Groups: []uint32{0}}, ""},
		{"group of its own", "root", "12345", &Credential{GID: 12345, Groups: []uint32{12345}}, ""},
		{"numbers without entries", "54321", "12345", &Credential{UID: 54321, GID: 12345}, ""},
		{"group alone", "", "root", &Credential{UID: me}, ""},
		{"unknown user", "no-such-user", "", nil, "user: unknown user no-such-user"},
		{"unknown group", "root", "no-such-group", nil, "group: unknown group no-such-group"},
		{"number without group", "54321", "", nil, "user 54321: not in the user database: name a group too"},
		{"no id", "4294967295", "0", nil, "user: unknown user 4294967295"},
		{"octal", "010", "0", nil, "user: unknown user 010"},
		{"negative", "-1", "0", nil, "user: unknown user -1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := LookupCredential(tt.user, tt.group)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tt.err {
				t.Errorf("error %q, want %q", text, tt.err)
			}
			// The database of the machine may put root into more groups.
			if got != nil && tt.want != nil && slices.Contains(got.Groups, tt.want.GID) && tt.want.Groups != nil {
				got.Groups = tt.want.Groups
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
