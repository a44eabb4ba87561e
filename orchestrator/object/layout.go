package object

import (
	"path"
	"strings"

	"nightshift.dev/nightshift/orchestrator"
)

var formats = map[string]orchestrator.Format{
	".jsonl":   orchestrator.FormatJSONL,
	".ndjson":  orchestrator.FormatJSONL,
	".json":    orchestrator.FormatJSONL,
	".csv":     orchestrator.FormatCSV,
	".parquet": orchestrator.FormatParquet,
}

var compressions = map[string]orchestrator.Compression{
	".gz":  orchestrator.CompressionGzip,
	".zst": orchestrator.CompressionZstd,
}

// layout tells format and compression from the extensions of a URI. A format given by the caller wins over the extension.
func layout(uri string, given orchestrator.Format) (orchestrator.Format, orchestrator.Compression, error) {
	name := strings.ToLower(path.Base(uri))
	compression := compressions[path.Ext(name)]
	if compression != orchestrator.CompressionNone {
		name = strings.TrimSuffix(name, path.Ext(name))
	}
	format := given
	if format == "" {
		format = formats[path.Ext(name)]
	}
	switch {
	case format == "":
		return "", "", &Error{Code: CodeUnknownFormat, URI: uri,
			Message: "extension " + quote(path.Ext(name)) + " does not tell the format; allowed are .jsonl .ndjson .json .csv (each also with .gz or .zst) and .parquet, or a format named in the job"}
	case format == orchestrator.FormatParquet && compression != orchestrator.CompressionNone:
		return "", "", &Error{Code: CodeUnknownFormat, URI: uri,
			Message: "a parquet file is not compressed as a whole; want .parquet with compression inside"}
	}
	return format, compression, nil
}

func quote(text string) string { return "\"" + text + "\"" }
