package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// copyCommand is a scorer (docs/scorer.md) that answers each batch with its rows as they came: what is left of a drain beside it is nightshift's.
func copyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "copy", Short: "Be a scorer that copies its batches", Hidden: true, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return copyBatches(bufio.NewReaderSize(command.InOrStdin(), 1<<20), bufio.NewWriterSize(command.OutOrStdout(), 1<<20))
		},
	}
}

func copyBatches(in *bufio.Reader, out *bufio.Writer) error {
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		var header struct {
			Type            string
			ID, Rows, Bytes int64
		}
		if err = errors.Join(err, json.Unmarshal(line, &header)); err != nil {
			return fmt.Errorf("read a header: %w", err)
		}
		switch header.Type {
		case "hello":
			_, err = fmt.Fprintln(out, `{"type":"ready","protocol":1}`)
		case "batch":
			_, err = fmt.Fprintf(out, `{"type":"result","id":%d,"encoding":"jsonl","rows":%d,"bytes":%d}`+"\n", header.ID, header.Rows, header.Bytes)
			if err == nil {
				_, err = io.CopyN(out, in, header.Bytes)
			}
		default: // stop
			return nil
		}
		if err = errors.Join(err, out.Flush()); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}
