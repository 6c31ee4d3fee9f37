package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestS108Holders(t *testing.T) {
	p := &Plan{Permissions: []Permission{
		{ID: 2000, Users: []string{"ann", "bob"}, Groups: []string{"ops"}, Links: []uint16{2001, 2002}},
		{ID: 2001, Users: []string{"ann", "4001"}, Links: []uint16{2000}},
		{ID: 2002, Groups: []string{"wheel", "ops"}},
		{ID: 2003, Users: []string{"eve"}, Links: []uint16{2000}},
	}}
	tests := []struct {
		name          string
		list          []uint16
		users, groups []string
	}{
		{name: "links, also in a circle", list: []uint16{2000}, users: []string{"4001", "ann", "bob"}, groups: []string{"ops", "wheel"}},
		{name: "not the other way round", list: []uint16{2002}, groups: []string{"ops", "wheel"}},
		{name: "S106 any of", list: []uint16{2002, 2003}, users: []string{"4001", "ann", "bob", "eve"}, groups: []string{"ops", "wheel"}},
		{name: "a builtin one that the plan gives to nobody", list: []uint16{SystemServices}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			users, groups := p.Holders(tt.list)
			if diff := cmp.Diff([][]string{tt.users, tt.groups}, [][]string{users, groups}); diff != "" {
				t.Errorf("Holders(%v) (-want +got):\n%s", tt.list, diff)
			}
		})
	}
}
