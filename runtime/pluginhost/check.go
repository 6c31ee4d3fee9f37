package pluginhost

import "context"

// Check reports why a transport's plugin cannot be launched, without launching it:
// there is none, or its executable has another checksum. The error is a
// [*PluginError].
func (h *Host) Check(ctx context.Context, t Transport) error {
	path, err := h.Find(t.Name)
	if err != nil || t.Checksum == "" {
		return err
	}
	image, err := seal(ctx, path, t.Checksum)
	if err != nil {
		return &PluginError{Transport: t.Name, Path: path, Err: err}
	}
	image.close()
	return nil
}
