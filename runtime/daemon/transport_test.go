package daemon

import (
	"runtime"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/pluginhost"
)

// TestPluginOf is about plans that were locked for some platforms only.
func TestPluginOf(t *testing.T) {
	locked := func(platform string) *plan.Transport {
		return &plan.Transport{Name: "vsock", Plugin: "net", Manifest: "m", Checksums: map[string]string{platform: "sum"}}
	}
	got, err := pluginOf(locked(runtime.GOOS + "-" + runtime.GOARCH))
	if want := (pluginhost.Transport{Name: "net", Manifest: "m", Checksum: "sum"}); err != nil || got != want {
		t.Errorf("pluginOf = %+v, %v, want %+v", got, err, want)
	}
	if _, err := pluginOf(locked("linux-none")); err == nil || !strings.Contains(err.Error(), "transport vsock: the plan has no checksum of its plugin for "+runtime.GOOS) {
		t.Errorf("pluginOf for another platform: %v", err)
	}
}
