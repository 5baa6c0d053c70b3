using System.Text;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using static DistOpt.Core.Tests.Specs.TestCatalogs;

namespace DistOpt.Core.Tests.Specs.Yaml;

public sealed class SpecYamlTests
{
    [Theory]
    [InlineData("a: &x 1\nb: *x", "f (line 1): anchors and aliases are not supported; if a text begins with '*' or '&', put it in quotes")]
    [InlineData("model: { freeze: [*.bias] }",
        "f (line 1): anchors and aliases are not supported; if a text begins with '*' or '&', put it in quotes")]
    [InlineData("a: !!binary x",
        "f (line 1): tags such as 'tag:yaml.org,2002:binary' are not supported; if a text begins with '!', put it in quotes")]
    [InlineData("seed: 1\nname: x\nseed: 2", "f (line 3): field 'seed' is given twice (first in line 1); remove one")]
    [InlineData("a: 1\n---\nb: 2", "f (line 2): holds a second document; a spec is one document without '---' inside")]
    [InlineData("[a]: 1", "f (line 1): a field's name must be plain text")]
    [InlineData("a:\n\tb: 1", "f (line 2): not valid YAML: the line is indented with a tab; use spaces")]
    public void What_a_spec_cannot_hold_is_refused_with_its_line(string yaml, string expected) =>
        Assert.Equal([expected], Errors(() => SpecYaml.Parse(yaml, "f")));

    [Theory]
    [InlineData("a: [1, 2", 1)]
    [InlineData("a: 1\nb: 'x", 2)]
    [InlineData("a: 1\n  b: 2", 2)]
    [InlineData("a: }", 1)]
    [InlineData("%YAML 1.2", 1)]
    public void A_syntax_error_is_one_violation_with_a_line(string yaml, int line)
    {
        var violation = Assert.Single(Assert.Throws<SpecException>(() => SpecYaml.Parse(yaml, "spec.yaml")).Violations);
        Assert.StartsWith("not valid YAML: ", violation.Message, StringComparison.Ordinal);
        Assert.InRange(violation.Line ?? 0, line, line + 1);
    }

    [Fact]
    public void Size_and_depth_are_bounded()
    {
        Assert.Contains("but may have at most 1048576", Errors(() => SpecYaml.Parse(new string('#', SpecYaml.LengthMax + 1), "f"))[0],
            StringComparison.Ordinal);
        Assert.Contains("nested deeper than 32", Errors(() => SpecYaml.Parse(new string('[', 500_000), "f"))[0], StringComparison.Ordinal);
        Assert.Contains("nested deeper than 32",
            Errors(() => SpecYaml.Parse(string.Concat(Enumerable.Repeat("{a: ", 100_000)), "f"))[0], StringComparison.Ordinal);
        Assert.Contains("nested deeper than 32",
            Errors(() => SpecYaml.Parse(string.Concat(Enumerable.Range(0, 1000).Select(i => new string(' ', i) + "a:\n")), "f"))[0],
                StringComparison.Ordinal);
        var many = Assert.Throws<SpecException>(() =>
            Binder.ParseTraining(string.Concat(Enumerable.Range(0, 50_000).Select(i => $"x{i}: 1\n"))));
        Assert.Equal(101, many.Violations.Length);
        Assert.Equal("49900 more of the kind", many.Violations[^1].Message);
    }

    [Fact]
    public void Any_damage_to_a_spec_gives_a_spec_or_a_SpecException()
    {
        const string Alphabet = "{}[]:,-#&*!|>'\"%@`~?\\\n\t 0.e+nully\u0000\uFEFF\u2028\U0001F600";
        var source = SpecWriter.Write(Binder.Default());
        var random = new Random(7);
        var bad = 0;
        for (var round = 0; round < 1500; round++)
        {
            var text = new StringBuilder(source);
            for (var edits = random.Next(1, 6); edits > 0; edits--)
            {
                var at = random.Next(text.Length);
                _ = random.Next(3) switch
                {
                    0 => text.Remove(at, Math.Min(random.Next(1, 8), text.Length - at)),
                    1 => text.Insert(at, Alphabet[random.Next(Alphabet.Length)]),
                    _ => text.Insert(at, text.ToString(at / 2, Math.Min(9, text.Length - (at / 2)))),
                };
            }

            try
            {
                Binder.ParseTraining(text.ToString());
            }
            catch (SpecException)
            {
                bad++;
            }
        }

        Assert.InRange(bad, 750, 1499);
    }
}
