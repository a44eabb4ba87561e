package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"nightshift.dev/nightshift/orchestrator/document/notation"
)

// formatFlag is the long name of -o where it says how to print. The --output of submit says where results go, so there it has another.
const formatFlag = "output"

// The values of -o.
const (
	formatTable = "" // for people
	formatWide  = "wide"
	formatName  = "name"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

var allFormats = []string{formatWide, formatName, formatJSON, formatYAML}

// printFormat is the value of -o.
type printFormat struct {
	name    string
	allowed []string
}

func (f *printFormat) String() string { return f.name }
func (f *printFormat) Type() string   { return "FORMAT" }

// Set takes one of the allowed names.
func (f *printFormat) Set(text string) error {
	if !slices.Contains(f.allowed, text) {
		message := "allowed: " + strings.Join(f.allowed, ", ")
		if meant := notation.Closest(text, f.allowed); meant != "" {
			message += "; did you mean " + meant + "?"
		}
		return fmt.Errorf("%s", message)
	}
	f.name = text
	return nil
}

// machine says whether programs read what is printed.
func (f *printFormat) machine() bool {
	return f.name == formatJSON || f.name == formatYAML || f.name == formatName
}

// formatOption adds -o to a command.
func formatOption(command *cobra.Command, long string, allowed ...string) *printFormat {
	format := &printFormat{allowed: allowed}
	command.Flags().VarP(format, long, "o", "how to print: "+strings.Join(allowed, ", "))
	_ = command.RegisterFlagCompletionFunc(long, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return format
}

// print writes a value as JSON or YAML.
func (f *printFormat) print(out io.Writer, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	if f.name != formatYAML {
		_, err = fmt.Fprintf(out, "%s\n", data)
		return err
	}
	node, err := yamlNode(json.NewDecoder(bytes.NewReader(data)))
	if err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	encoder := yaml.NewEncoder(out)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return encoder.Close()
}

// yamlNode reads one JSON value and keeps its fields in their order.
func yamlNode(decoder *json.Decoder) (*yaml.Node, error) {
	decoder.UseNumber()
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	node := &yaml.Node{}
	switch token := token.(type) {
	case json.Delim:
		node.Kind = yaml.SequenceNode
		if token == '{' {
			node.Kind = yaml.MappingNode
		}
		for decoder.More() { // the fields of an object come as name, value, name, value
			child, err := yamlNode(decoder)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, child)
		}
		if len(node.Content) == 0 {
			node.Style = yaml.FlowStyle
		}
		_, err = decoder.Token()
	case json.Number:
		node.Kind, node.Value = yaml.ScalarNode, token.String()
	case string:
		node.SetString(token)
	default:
		err = node.Encode(token)
	}
	return node, err
}
