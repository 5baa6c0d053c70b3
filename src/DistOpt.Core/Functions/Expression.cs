using System.Collections.Immutable;

namespace DistOpt.Core.Functions;

/// <summary>
/// A function of named variables, read from text such as <c>x^2 + lambda*x^4</c>: numbers, variables, constants (<c>pi</c> and <c>e</c> among
/// them), <c>+ - * / ^</c>, parentheses, <c>sin cos tan exp log sqrt abs tanh min max</c>. Values and derivatives are float64. Immutable; one
/// instance serves all threads.
/// </summary>
public sealed class Expression
{
    /// <summary>Characters that a text may have.</summary>
    public const int LengthMax = 10_000;

    /// <summary>How deep parentheses, signs, powers and calls may be nested.</summary>
    public const int DepthMax = 200;

    private readonly ImmutableArray<ExpressionNode> _nodes;

    internal Expression(string text, ImmutableArray<string> variables, ImmutableArray<ExpressionNode> nodes) =>
        (Text, Variables, _nodes) = (text, variables, nodes);

    /// <summary>The text that it was read from.</summary>
    public string Text { get; }

    /// <summary>Names of the variables, in the order in which values are given.</summary>
    public ImmutableArray<string> Variables { get; }

    /// <summary>Reads an expression.</summary>
    /// <param name="text">At most <see cref="LengthMax"/> characters.</param>
    /// <param name="variables">Names that the text may use, in the order in which values will be given; they need not all appear.</param>
    /// <param name="constants">Further names with their values; <c>pi</c> and <c>e</c> are known anyway.</param>
    /// <exception cref="ExpressionException">The text is no expression; the message shows where.</exception>
    public static Expression Parse(string text, IEnumerable<string> variables, IReadOnlyDictionary<string, double>? constants = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(variables);
        return new ExpressionParser(text, [.. variables], constants ?? ImmutableDictionary<string, double>.Empty).Parse();
    }

    /// <summary>Whether the text names the variable.</summary>
    public bool Uses(string variable)
    {
        int index = Variables.IndexOf(variable);
        return _nodes.Any(n => n.Operation == ExpressionOperation.Variable && n.First == index);
    }

    /// <summary>The function's value; NaN or infinite where it has none.</summary>
    /// <param name="at">A value for each variable.</param>
    public double Evaluate(ReadOnlySpan<double> at)
    {
        Check(at.Length);
        Span<double> values = _nodes.Length <= 256 ? stackalloc double[_nodes.Length] : new double[_nodes.Length];
        return Forward(at, values);
    }

    /// <summary>
    /// Value and gradient, by reverse accumulation. Where there is no derivative it is what PyTorch gives: 0 for <c>abs</c> at 0, half to each
    /// side where <c>min</c> or <c>max</c> are equal.
    /// </summary>
    /// <param name="at">A value for each variable.</param>
    /// <param name="gradient">Receives the derivative with respect to each variable.</param>
    public double Gradient(ReadOnlySpan<double> at, Span<double> gradient)
    {
        Check(at.Length);
        if (gradient.Length != at.Length) throw new ArgumentException($"{gradient.Length} places for {at.Length} derivatives", nameof(gradient));
        Span<double> values = _nodes.Length <= 256 ? stackalloc double[_nodes.Length] : new double[_nodes.Length];
        Span<double> adjoints = _nodes.Length <= 256 ? stackalloc double[_nodes.Length] : new double[_nodes.Length];
        double result = Forward(at, values);
        adjoints.Clear();
        gradient.Clear();
        adjoints[^1] = 1;
        for (int i = _nodes.Length - 1; i >= 0; i--)
        {
            var node = _nodes[i];
            if (!node.Varies) continue;
            if (node.Operation == ExpressionOperation.Variable) gradient[node.First] += adjoints[i];
            else Backward(node, values, adjoints, values[i], adjoints[i]);
        }
        return result;
    }

    private double Forward(ReadOnlySpan<double> at, Span<double> values)
    {
        for (int i = 0; i < _nodes.Length; i++)
        {
            var node = _nodes[i];
            values[i] = node.Operation switch
            {
                ExpressionOperation.Constant => node.Value,
                ExpressionOperation.Variable => at[node.First],
                ExpressionOperation.Negate => -values[node.First],
                ExpressionOperation.Add => values[node.First] + values[node.Second],
                ExpressionOperation.Subtract => values[node.First] - values[node.Second],
                ExpressionOperation.Multiply => values[node.First] * values[node.Second],
                ExpressionOperation.Divide => values[node.First] / values[node.Second],
                ExpressionOperation.Power => Power(values[node.First], values[node.Second]),
                ExpressionOperation.Min => Math.Min(values[node.First], values[node.Second]),
                ExpressionOperation.Max => Math.Max(values[node.First], values[node.Second]),
                ExpressionOperation.Sin => Math.Sin(values[node.First]),
                ExpressionOperation.Cos => Math.Cos(values[node.First]),
                ExpressionOperation.Tan => Math.Tan(values[node.First]),
                ExpressionOperation.Exp => Math.Exp(values[node.First]),
                ExpressionOperation.Log => Math.Log(values[node.First]),
                ExpressionOperation.Sqrt => Math.Sqrt(values[node.First]),
                ExpressionOperation.Abs => Math.Abs(values[node.First]),
                _ => Math.Tanh(values[node.First]),
            };
        }
        return values[^1];
    }

    /// <summary>Hands a node's adjoint on to its operands.</summary>
    private void Backward(ExpressionNode node, ReadOnlySpan<double> values, Span<double> adjoints, double value, double adjoint)
    {
        double a = values[node.First], b = values[node.Second];
        switch (node.Operation)
        {
            case ExpressionOperation.Negate:
                adjoints[node.First] -= adjoint;
                break;
            case ExpressionOperation.Add:
                adjoints[node.First] += adjoint;
                adjoints[node.Second] += adjoint;
                break;
            case ExpressionOperation.Subtract:
                adjoints[node.First] += adjoint;
                adjoints[node.Second] -= adjoint;
                break;
            case ExpressionOperation.Multiply:
                adjoints[node.First] += adjoint * b;
                adjoints[node.Second] += adjoint * a;
                break;
            case ExpressionOperation.Divide:
                adjoints[node.First] += adjoint / b;
                adjoints[node.Second] -= adjoint * value / b;
                break;
            case ExpressionOperation.Power:
                // a term that is zero stays zero, also where its other factor is infinite or has no value
                if (_nodes[node.First].Varies && b != 0) adjoints[node.First] += adjoint * b * Power(a, b - 1);
                if (_nodes[node.Second].Varies && !(a == 0 && b >= 0)) adjoints[node.Second] += adjoint * value * Math.Log(a);
                break;
            case ExpressionOperation.Min or ExpressionOperation.Max:
                double first = a == b ? 0.5 : (a < b) == (node.Operation == ExpressionOperation.Min) ? 1 : 0;
                adjoints[node.First] += adjoint * first;
                adjoints[node.Second] += adjoint * (1 - first);
                break;
            default:
                adjoints[node.First] += adjoint * Derivative(node.Operation, a, value);
                break;
        }
    }

    private static double Derivative(ExpressionOperation operation, double a, double value) => operation switch
    {
        ExpressionOperation.Sin => Math.Cos(a),
        ExpressionOperation.Cos => -Math.Sin(a),
        ExpressionOperation.Tan => 1 + value * value,
        ExpressionOperation.Exp => value,
        ExpressionOperation.Log => 1 / a,
        ExpressionOperation.Sqrt => 0.5 / value,
        ExpressionOperation.Abs => double.IsNaN(a) ? a : Math.Sign(a),
        ExpressionOperation.Tanh => 1 - value * value,
        _ => throw new InvalidOperationException($"{operation} has no rule"),
    };

    /// <summary>Small whole powers by multiplication, as one would write them out: the same bits on every machine.</summary>
    private static double Power(double a, double b) => b switch
    {
        1 => a,
        2 => a * a,
        3 => a * a * a,
        4 => a * a * (a * a),
        _ => Math.Pow(a, b),
    };

    private void Check(int values)
    {
        if (values != Variables.Length) throw new ArgumentException($"{values} values for {Variables.Length} variables");
    }
}
