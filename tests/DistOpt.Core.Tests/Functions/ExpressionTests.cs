using System.Globalization;
using System.Text;
using DistOpt.Core.Functions;

namespace DistOpt.Core.Tests.Functions;

public sealed class ExpressionTests
{
    private static readonly Dictionary<string, double> Constants = new() { ["lambda"] = 0.1 };

    [Theory]
    [InlineData("x^2 + lambda*x^4", 2.0, 5.6)]
    [InlineData("-x^2", 3, -9)]
    [InlineData("2^-x", 3, 0.125)]
    [InlineData("2^x^2", 3, 512)]
    [InlineData("-2^2*x", 1, -4)]
    [InlineData("2-3-x", 1, -2)]
    [InlineData("8/4/x", 2, 1)]
    [InlineData("1 - -x", 2, 3)]
    [InlineData("2 + 3 * x ^ 2", 2, 14)]
    [InlineData("(2 + 3) * x", 2, 10)]
    [InlineData("min(x, 3) + max(x, 3)", 5, 8)]
    [InlineData("abs(-x) + sqrt(x)", 4, 6)]
    [InlineData("log(e^x)", 2, 2)]
    [InlineData("cos(pi*x)", 1, -1)]
    [InlineData("1.5e1 + .5 + 2.", 0, 17.5)]
    [InlineData("tan(x) - sin(x)/cos(x)", 0.7, 0)]
    [InlineData("tanh(x) - (exp(x)-exp(-x))/(exp(x)+exp(-x))", 0.3, 0)]
    public void Values_follow_the_usual_precedence(string text, double x, double expected) =>
        Assert.Equal(expected, Expression.Parse(text, ["x"], Constants).Evaluate([x]), 1e-12);

    [Theory]
    [InlineData("x + ", 4, "ends where a number")]
    [InlineData("x + y", 4, "'y' is neither a variable (x) nor a constant (lambda)")]
    [InlineData("2x", 1, "an operator is missing here; write * for a product")]
    [InlineData("x**2", 2, "'**' is no operator; write ^")]
    [InlineData("(x + 1", 0, "this '(' is not closed")]
    [InlineData("x + 1)", 5, "this ')' has no '('")]
    [InlineData("sin x", 0, "'sin' is a function; write sin(...)")]
    [InlineData("foo(x)", 0, "'foo' is no function; there are abs, cos")]
    [InlineData("max(x)", 5, "'max' takes 2 values")]
    [InlineData("sin(x, x)", 5, "'sin' takes 1 value; close it")]
    [InlineData("x $ 2", 2, "'$' stands where an operator")]
    [InlineData("* x", 0, "'*' stands where a number")]
    [InlineData("x + é", 4, "'é' stands where a number")]
    [InlineData("x + \ud83d\ude00", 4, "character U+D83D stands")]
    [InlineData("  ", 2, "is empty")]
    [InlineData("1e", 1, "an operator is missing")]
    [InlineData(".", 0, "'.' is no number")]
    [InlineData("1e999", 0, "too large")]
    public void What_is_wrong_is_told_with_its_place_and_a_caret(string text, int position, string problem)
    {
        var error = Assert.Throws<ExpressionException>(() => Expression.Parse(text, ["x"], Constants));

        Assert.Contains(problem, error.Problem);
        Assert.Equal(position, error.Position);
        string[] lines = error.Message.Split(Environment.NewLine);
        Assert.Equal(3, lines.Length);
        Assert.EndsWith($"at character {position + 1}", lines[0]);
        Assert.Equal(position + 2, lines[2].IndexOf('^', StringComparison.Ordinal));
    }

    [Fact]
    public void A_long_text_is_shown_around_the_place()
    {
        string text = string.Join(" + ", Enumerable.Repeat("x", 500)) + " + y + " + string.Join(" + ", Enumerable.Repeat("x", 500));

        var error = Assert.Throws<ExpressionException>(() => Expression.Parse(text, ["x"]));

        string[] lines = error.Message.Split(Environment.NewLine);
        Assert.Equal('y', lines[1][lines[2].IndexOf('^', StringComparison.Ordinal)]);
        Assert.True(lines[1].Length < 80);
    }

    [Theory]
    [InlineData("(", 100_000)]
    [InlineData("-", 9_000)]
    [InlineData("(", 9_000)]
    [InlineData("sin(", 2_000)]
    [InlineData("x^", 4_000)]
    [InlineData("2^-", 3_000)]
    public void Hostile_nesting_and_length_are_refused_and_do_not_overflow_the_stack(string part, int times)
    {
        string text = string.Concat(Enumerable.Repeat(part, times)) + "x";

        var error = Assert.Throws<ExpressionException>(() => Expression.Parse(text, ["x"]));

        Assert.Contains(text.Length > Expression.LengthMax ? "at most 10000" : "more than 200 deep", error.Message);
    }

    [Fact]
    public void The_longest_text_is_computed()
    {
        string text = "x" + string.Concat(Enumerable.Repeat("+x", (Expression.LengthMax - 1) / 2));
        var expression = Expression.Parse(text, ["x"]);
        double[] gradient = new double[1];

        Assert.Equal(5000, expression.Gradient([1], gradient));
        Assert.Equal(5000, gradient[0]);
    }

    [Fact]
    public void Random_text_gives_an_expression_or_the_one_exception()
    {
        const string characters = "xy0123456789.e+-*/^(),sincotaexplgqrbhmdpi $\0é\n";
        var random = new Random(7);
        int good = 0;
        for (int i = 0; i < 50_000; i++)
        {
            string text = new([.. Enumerable.Range(0, random.Next(12)).Select(_ => characters[random.Next(characters.Length)])]);
            try
            {
                Expression.Parse(text, ["x", "y"]).Evaluate([0.3, -2]);
                good++;
            }
            catch (ExpressionException e)
            {
                Assert.InRange(e.Position, 0, text.Length);
            }
        }
        Assert.True(good > 100, $"only {good} were expressions: the test would show nothing");
    }

    [Fact]
    public void Gradients_equal_finite_differences_on_random_expressions()
    {
        var random = new Random(11);
        int compared = 0, undefined = 0;
        for (int i = 0; i < 2_000; i++)
        {
            string text = RandomText(random, 4);
            var expression = Expression.Parse(text, ["x", "y", "z"], Constants);
            double[] at = [.. Enumerable.Range(0, 3).Select(_ => 0.3 + 1.5 * random.NextDouble())];
            double[] gradient = new double[3];
            double value = expression.Gradient(at, gradient);
            Assert.Equal(value, expression.Evaluate(at));
            for (int v = 0; v < 3; v++)
            {
                // two step widths tell how far the difference itself can be trusted
                double wide = Difference(expression, at, v, 2e-4), narrow = Difference(expression, at, v, 1e-4);
                double extrapolated = narrow + (narrow - wide) / 3;
                double doubt = Math.Abs(narrow - wide);
                double scale = Math.Max(1, Math.Max(Math.Abs(extrapolated), Math.Abs(value)));
                if (!double.IsFinite(extrapolated) || !double.IsFinite(value) || doubt > 1e-4 * scale) continue; // a kink, a pole, or out of range
                if (double.IsNaN(gradient[v]))
                {
                    undefined++; // 1^a is 1 also where a has no value, but a has no derivative there
                    continue;
                }
                Assert.True(Math.Abs(extrapolated - gradient[v]) <= 1e-6 * scale, $"{text} at {string.Join(' ', at)}, variable {v}: {gradient[v]:R}, not {extrapolated:R}");
                compared++;
            }
        }
        Assert.InRange(undefined, 0, compared / 100);
        Assert.True(compared > 4_000, $"only {compared} derivatives were compared");
    }

    [Theory]
    [InlineData("x^2", 0.0, 0)]
    [InlineData("x^3", 0.0, 0)]
    [InlineData("x^0", 0.0, 0)]
    [InlineData("x^1", 0.0, 1)]
    [InlineData("(-x)^3", 2.0, -12)]
    [InlineData("x^5", -2.0, 80)]
    [InlineData("x^-2", -2.0, 0.25)]
    [InlineData("x^2.5", 4.0, 20)]
    [InlineData("0^x", 0.0, 0)]
    [InlineData("abs(x)", 0.0, 0)]
    [InlineData("max(x, 0)", 0.0, 0.5)]
    [InlineData("min(x, 0)", 0.0, 0.5)]
    [InlineData("max(x, -x)", 3.0, 1)]
    [InlineData("sqrt(x)", 0.0, double.PositiveInfinity)]
    public void Derivatives_at_corners_are_those_of_PyTorch(string text, double x, double expected)
    {
        double[] gradient = new double[1];
        Expression.Parse(text, ["x"]).Gradient([x], gradient);
        Assert.Equal(expected, gradient[0], 1e-12);
    }

    [Fact]
    public void A_constant_takes_the_place_of_its_number_and_order_is_that_of_the_names_given()
    {
        var expression = Expression.Parse("b - a*lambda", ["b", "a"], Constants);
        double[] gradient = new double[2];

        Assert.Equal(6.5, expression.Gradient([7, 5], gradient));
        Assert.Equal([1, -0.1], gradient);
        Assert.True(expression.Uses("a"));
        Assert.False(Expression.Parse("b", ["b", "a"]).Uses("a"));
        Assert.Throws<ArgumentException>(() => expression.Evaluate([1]));
        Assert.Throws<ArgumentException>(() => expression.Gradient([1, 2], new double[1]));
    }

    private static double Difference(Expression expression, double[] at, int variable, double step)
    {
        double[] up = [.. at], down = [.. at];
        up[variable] += step;
        down[variable] -= step;
        return (expression.Evaluate(up) - expression.Evaluate(down)) / (up[variable] - down[variable]);
    }

    private static string RandomText(Random random, int depth)
    {
        string[] functions = ["sin", "cos", "tan", "exp", "log", "sqrt", "abs", "tanh"];
        if (depth == 0 || random.Next(5) == 0)
        {
            return random.Next(3) == 0 ? (0.5 + 2 * random.NextDouble()).ToString("0.00", CultureInfo.InvariantCulture)
                : new[] { "x", "y", "z", "lambda", "pi" }[random.Next(5)];
        }
        var text = new StringBuilder();
        string left = RandomText(random, depth - 1);
        switch (random.Next(8))
        {
            case 0 or 1: return $"{functions[random.Next(functions.Length)]}({left})";
            case 2: return $"-({left})";
            case 3: return $"{(random.Next(2) == 0 ? "min" : "max")}({left}, {RandomText(random, depth - 1)})";
            case 4: return $"({left})^{random.Next(5)}";
            default:
                text.Append('(').Append(left).Append(") ").Append("+-*/^"[random.Next(5)]).Append(" (");
                return text.Append(RandomText(random, depth - 1)).Append(')').ToString();
        }
    }
}
