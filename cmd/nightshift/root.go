package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := &cobra.Command{Use: "nightshift", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(devCommand(), runCommand(), workerCommand())
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(errs, err)
		return 1
	}
	return 0
}
