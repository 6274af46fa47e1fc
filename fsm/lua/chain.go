package lua

import "github.com/yuin/gopher-lua/ast"

// depths walks a syntax tree and stops where it is deeper than maxChain.
type depths struct{ deep bool }

func (d *depths) block(stmts []ast.Stmt, n int) {
	for _, s := range stmts {
		d.stmt(s, n+1)
	}
}

func (d *depths) stmt(s ast.Stmt, n int) {
	if n > maxChain {
		d.deep = true
	}
	if d.deep {
		return
	}
	switch s := s.(type) {
	case *ast.AssignStmt:
		d.exprs(s.Lhs, n)
		d.exprs(s.Rhs, n)
	case *ast.LocalAssignStmt:
		d.exprs(s.Exprs, n)
	case *ast.FuncCallStmt:
		d.expr(s.Expr, n+1)
	case *ast.DoBlockStmt:
		d.block(s.Stmts, n)
	case *ast.WhileStmt:
		d.expr(s.Condition, n+1)
		d.block(s.Stmts, n)
	case *ast.RepeatStmt:
		d.expr(s.Condition, n+1)
		d.block(s.Stmts, n)
	case *ast.IfStmt:
		d.expr(s.Condition, n+1)
		d.block(s.Then, n)
		d.block(s.Else, n)
	case *ast.NumberForStmt:
		d.expr(s.Init, n+1)
		d.expr(s.Limit, n+1)
		d.expr(s.Step, n+1)
		d.block(s.Stmts, n)
	case *ast.GenericForStmt:
		d.exprs(s.Exprs, n)
		d.block(s.Stmts, n)
	case *ast.FuncDefStmt:
		d.expr(s.Name.Func, n+1)
		d.expr(s.Name.Receiver, n+1)
		d.expr(s.Func, n+1)
	case *ast.ReturnStmt:
		d.exprs(s.Exprs, n)
	}
}

func (d *depths) exprs(list []ast.Expr, n int) {
	for _, x := range list {
		d.expr(x, n+1)
	}
}

func (d *depths) expr(x ast.Expr, n int) {
	if n > maxChain {
		d.deep = true
	}
	if d.deep || x == nil {
		return
	}
	switch x := x.(type) {
	case *ast.AttrGetExpr:
		d.expr(x.Object, n+1)
		d.expr(x.Key, n+1)
	case *ast.TableExpr:
		for _, f := range x.Fields {
			d.expr(f.Key, n+1)
			d.expr(f.Value, n+1)
		}
	case *ast.FuncCallExpr:
		d.expr(x.Func, n+1)
		d.expr(x.Receiver, n+1)
		d.exprs(x.Args, n)
	case *ast.LogicalOpExpr:
		d.expr(x.Lhs, n+1)
		d.expr(x.Rhs, n+1)
	case *ast.RelationalOpExpr:
		d.expr(x.Lhs, n+1)
		d.expr(x.Rhs, n+1)
	case *ast.StringConcatOpExpr:
		d.expr(x.Lhs, n+1)
		d.expr(x.Rhs, n+1)
	case *ast.ArithmeticOpExpr:
		d.expr(x.Lhs, n+1)
		d.expr(x.Rhs, n+1)
	case *ast.UnaryMinusOpExpr:
		d.expr(x.Expr, n+1)
	case *ast.UnaryNotOpExpr:
		d.expr(x.Expr, n+1)
	case *ast.UnaryLenOpExpr:
		d.expr(x.Expr, n+1)
	case *ast.FunctionExpr:
		d.block(x.Stmts, n)
	}
}
