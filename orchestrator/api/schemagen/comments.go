package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// addComments collects the comments of a package's types and fields, by "PACKAGE.Type" and "PACKAGE.Type.Field". A field without a comment above
// it has the one behind it.
func addComments(comments map[string]string, packagePath, folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return fmt.Errorf("find sources: %w", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("read comments: %w", err)
		}
		for _, declaration := range tree.Decls {
			if general, ok := declaration.(*ast.GenDecl); ok && general.Tok == token.TYPE {
				addTypes(comments, packagePath, general)
			}
		}
	}
	return nil
}

func addTypes(comments map[string]string, packagePath string, declaration *ast.GenDecl) {
	for _, spec := range declaration.Specs {
		named, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		name := packagePath + "." + named.Name.Name
		comments[name] = first(declaration.Doc, named.Doc)
		structure, ok := named.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range structure.Fields.List {
			for _, identifier := range field.Names {
				comments[name+"."+identifier.Name] = first(field.Doc, field.Comment)
			}
		}
	}
}

// first is the text of the first comment that there is, on one line.
func first(groups ...*ast.CommentGroup) string {
	for _, group := range groups {
		if text := strings.TrimSpace(group.Text()); text != "" {
			return strings.Join(strings.Fields(text), " ")
		}
	}
	return ""
}
