package transport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/plugins/transport/transportv1"
	"github.com/rind-sockets/rind/plugins/transport/wire"
)

// TestDocumentedPlugin expects the plugin of the guide to be the one that the
// tests build.
func TestDocumentedPlugin(t *testing.T) {
	guide := readFile(t, "../../docs/writing-a-transport.md")
	files, err := filepath.Glob("testdata/netlink/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 {
		t.Fatalf("the plugin has the files %q, want 3", files)
	}
	for _, file := range files {
		if !strings.Contains(guide, "\n"+readFile(t, file)+"```\n") {
			t.Errorf("docs/writing-a-transport.md does not have %s as it is", file)
		}
	}
}

// TestDocumentedProtocol expects every name that is part of the protocol in its
// description.
func TestDocumentedProtocol(t *testing.T) {
	text := readFile(t, "../../docs/plugin-protocol.md")
	names := []string{wire.CookieKey, wire.CookieValue, wire.FDKey}
	for code, name := range transportv1.BindError_Code_name {
		if code != 0 {
			names = append(names, "`"+name+"`")
		}
	}
	for _, method := range transportv1.Transport_ServiceDesc.Methods {
		names = append(names, "**"+method.MethodName+"**")
	}
	for _, stream := range transportv1.Transport_ServiceDesc.Streams {
		names = append(names, "**"+stream.StreamName+"**")
	}
	for _, name := range names {
		if !strings.Contains(text, name) {
			t.Errorf("docs/plugin-protocol.md does not have %s", name)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
