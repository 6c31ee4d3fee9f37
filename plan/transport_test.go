package plan_test

import (
	"testing"

	"github.com/rind-sockets/rind/plan"
)

func TestTransportChecksum(t *testing.T) {
	tests := []struct {
		name      string
		checksums map[string]string
		want      string
		ok        bool
	}{
		{name: "of the release", ok: true},
		{name: "for the platform", checksums: map[string]string{"linux-amd64": "a", "any": "b"}, want: "a", ok: true},
		{name: "for any platform", checksums: map[string]string{"linux-arm64": "a", "any": "b"}, want: "b", ok: true},
		{name: "for others only", checksums: map[string]string{"linux-arm64": "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := plan.Transport{Name: "x", Checksums: tt.checksums}
			if got, ok := tr.Checksum("linux-amd64"); got != tt.want || ok != tt.ok {
				t.Errorf("Checksum = %q, %v, want %q, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestPluginName(t *testing.T) {
	for want, tr := range map[string]plan.Transport{
		"vsock": {Name: "vsock"},
		"net":   {Name: "vsock", Plugin: "net"},
	} {
		if got := tr.PluginName(); got != want {
			t.Errorf("PluginName of %+v = %q, want %q", tr, got, want)
		}
	}
}
