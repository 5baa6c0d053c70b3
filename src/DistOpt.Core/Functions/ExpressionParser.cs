using System.Collections.Immutable;
using System.Globalization;

namespace DistOpt.Core.Functions;

/// <summary>
/// Recursive descent over
/// <c>sum = product (('+'|'-') product)*; product = signed (('*'|'/') signed)*; signed = ('-'|'+') signed | power;
/// power = atom ('^' signed)?; atom = number | name | name '(' sum (',' sum)* ')' | '(' sum ')'</c>: so <c>-x^2</c> is <c>-(x^2)</c> and
/// <c>2^3^2</c> is <c>2^(3^2)</c>.
/// </summary>
internal sealed class ExpressionParser(string text, ImmutableArray<string> variables, IReadOnlyDictionary<string, double> constants)
{
    private static readonly SortedDictionary<string, (ExpressionOperation Operation, int Operands)> Functions = new(StringComparer.Ordinal)
    {
        ["sin"] = (ExpressionOperation.Sin, 1),
        ["cos"] = (ExpressionOperation.Cos, 1),
        ["tan"] = (ExpressionOperation.Tan, 1),
        ["exp"] = (ExpressionOperation.Exp, 1),
        ["log"] = (ExpressionOperation.Log, 1),
        ["sqrt"] = (ExpressionOperation.Sqrt, 1),
        ["abs"] = (ExpressionOperation.Abs, 1),
        ["tanh"] = (ExpressionOperation.Tanh, 1),
        ["min"] = (ExpressionOperation.Min, 2),
        ["max"] = (ExpressionOperation.Max, 2),
    };

    private readonly ImmutableArray<ExpressionNode>.Builder _nodes = ImmutableArray.CreateBuilder<ExpressionNode>();
    private int _at;
    private int _depth;

    /// <summary>Names that are taken by functions and by <c>pi</c> and <c>e</c>.</summary>
    public static IReadOnlyList<string> TakenNames { get; } = [.. Functions.Keys, "pi", "e"];

    public Expression Parse()
    {
        if (text.Length > Expression.LengthMax)
            throw Wrong(Expression.LengthMax, $"the expression has {text.Length} characters, but at most {Expression.LengthMax} are allowed");
        Skip();
        if (_at == text.Length) throw Wrong(_at, "the expression is empty; write one such as x^2");
        Sum();
        if (_at < text.Length) throw Unexpected();
        return new Expression(text, variables, _nodes.ToImmutable());
    }

    private int Sum()
    {
        int left = Product();
        while (Take('+', '-') is { } sign)
            left = Add(sign == '+' ? ExpressionOperation.Add : ExpressionOperation.Subtract, left, Product());
        return left;
    }

    private int Product()
    {
        int left = Signed();
        while (Take('*', '/') is { } sign)
        {
            if (sign == '*' && _at < text.Length && text[_at] == '*') throw Wrong(_at, "'**' is no operator; write ^ for a power");
            left = Add(sign == '*' ? ExpressionOperation.Multiply : ExpressionOperation.Divide, left, Signed());
        }
        return left;
    }

    private int Signed()
    {
        if (++_depth > Expression.DepthMax)
            throw Wrong(_at, $"the expression is nested more than {Expression.DepthMax} deep; write it in another way");
        int node = Take('-', '+') switch
        {
            '-' => Add(ExpressionOperation.Negate, Signed()),
            '+' => Signed(),
            _ => Power(),
        };
        _depth--;
        return node;
    }

    private int Power()
    {
        int left = Atom();
        return Take('^') is null ? left : Add(ExpressionOperation.Power, left, Signed());
    }

    private int Atom()
    {
        if (_at == text.Length) throw Wrong(_at, "the expression ends where a number, a name or '(' must follow");
        char first = text[_at];
        if (char.IsAsciiDigit(first) || first == '.') return Number();
        if (IsNameStart(first)) return Name();
        int open = _at;
        if (Take('(') is null) throw Wrong(_at, $"{Shown(first)} stands where a number, a name or '(' must be");
        int inner = Sum();
        Close(open);
        return inner;
    }

    private int Number()
    {
        int begin = _at;
        Digits();
        if (_at < text.Length && text[_at] == '.')
        {
            _at++;
            Digits();
        }
        int exponent = _at;
        if (_at < text.Length && text[_at] is 'e' or 'E')
        {
            _at++;
            if (_at < text.Length && text[_at] is '+' or '-') _at++;
            int digits = _at;
            Digits();
            if (_at == digits) _at = exponent; // the name e, which has no place here
        }
        if (!double.TryParse(text.AsSpan(begin, _at - begin), NumberStyles.Float, CultureInfo.InvariantCulture, out double value))
            throw Wrong(begin, "'.' is no number; write digits before or after it");
        if (!double.IsFinite(value)) throw Wrong(begin, "the number is too large for a float64");
        Skip();
        return Add(new ExpressionNode(ExpressionOperation.Constant, 0, 0, value, false));
    }

    private int Name()
    {
        int begin = _at;
        while (_at < text.Length && (IsNameStart(text[_at]) || char.IsAsciiDigit(text[_at]))) _at++;
        string name = text[begin.._at];
        Skip();
        if (Functions.TryGetValue(name, out var function)) return Call(begin, name, function.Operation, function.Operands);
        if (_at < text.Length && text[_at] == '(')
            throw Wrong(begin, $"'{name}' is no function; there are {string.Join(", ", Functions.Keys)}");
        int variable = variables.IndexOf(name);
        if (variable >= 0) return Add(new ExpressionNode(ExpressionOperation.Variable, variable, 0, 0, true));
        if (constants.TryGetValue(name, out double constant)) return Constant(constant);
        return name switch
        {
            "pi" => Constant(Math.PI),
            "e" => Constant(Math.E),
            _ => throw Wrong(begin, $"'{name}' is neither a variable ({Listed(variables)}) nor a constant ({Listed(constants.Keys)}); "
                + "add it to one of them"),
        };
    }

    private int Call(int begin, string name, ExpressionOperation operation, int operands)
    {
        int open = _at;
        if (Take('(') is null) throw Wrong(begin, $"'{name}' is a function; write {name}({(operands == 1 ? "..." : "..., ...")})");
        int first = Sum();
        int count = 1;
        int second = 0;
        for (int comma = _at; Take(',') is not null; comma = _at)
        {
            if (++count > operands) throw Wrong(comma, $"'{name}' takes {operands} value{(operands == 1 ? "" : "s")}; close it with ')'");
            second = Sum();
        }
        if (count < operands && _at < text.Length && text[_at] == ')') throw Wrong(_at, $"'{name}' takes {operands} values; add one after ','");
        Close(open);
        return Add(operation, first, second);
    }

    private void Close(int open)
    {
        if (Take(')') is not null) return;
        if (_at == text.Length) throw Wrong(open, "this '(' is not closed; add ')'");
        throw Unexpected();
    }

    private ExpressionException Unexpected() => text[_at] switch
    {
        ')' => Wrong(_at, "this ')' has no '(' before it"),
        var c when IsNameStart(c) || char.IsAsciiDigit(c) || c is '(' or '.' => Wrong(_at, "an operator is missing here; write * for a product"),
        var c => Wrong(_at, $"{Shown(c)} stands where an operator (+ - * / ^) must be"),
    };

    private int Constant(double value) => Add(new ExpressionNode(ExpressionOperation.Constant, 0, 0, value, false));

    private int Add(ExpressionOperation operation, int first, int second = 0) => Add(new ExpressionNode(operation, first, second, 0,
        _nodes[first].Varies || (IsOfTwo(operation) && _nodes[second].Varies)));

    private int Add(ExpressionNode node)
    {
        _nodes.Add(node);
        return _nodes.Count - 1;
    }

    private static bool IsOfTwo(ExpressionOperation operation) => operation is >= ExpressionOperation.Add and <= ExpressionOperation.Max;

    /// <summary>The next character if it is one of these, and then what follows the blanks behind it is next.</summary>
    private char? Take(params ReadOnlySpan<char> wanted)
    {
        if (_at == text.Length || !wanted.Contains(text[_at])) return null;
        char taken = text[_at++];
        Skip();
        return taken;
    }

    private void Skip()
    {
        while (_at < text.Length && text[_at] is ' ' or '\t' or '\n' or '\r') _at++;
    }

    private void Digits()
    {
        while (_at < text.Length && char.IsAsciiDigit(text[_at])) _at++;
    }

    private static bool IsNameStart(char c) => char.IsAsciiLetter(c) || c == '_';

    private static string Shown(char c) =>
        char.IsControl(c) || char.IsSurrogate(c) ? string.Create(CultureInfo.InvariantCulture, $"character U+{(int)c:X4}") : $"'{c}'";

    private static string Listed(IEnumerable<string> names)
    {
        string[] shown = [.. names.Order(StringComparer.Ordinal).Take(10)];
        return shown.Length == 0 ? "there is none" : string.Join(", ", shown);
    }

    private ExpressionException Wrong(int position, string problem) => new(text, position, problem);
}
