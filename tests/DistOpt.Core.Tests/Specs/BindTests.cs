using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using static DistOpt.Core.Tests.Specs.TestCatalogs;

namespace DistOpt.Core.Tests.Specs;

/// <summary>Records that are no training spec: settings, and options records as users write them.</summary>
public sealed class BindTests
{
    public sealed record Inner
    {
        public int A { get; init; } = 1;

        public int B { get; init; } = 2;
    }

    public sealed record Everything
    {
        public bool? Flag { get; init; }

        public float Single { get; init; } = 0.1f;

        public long? Long { get; init; }

        public Activation? Choice { get; init; }

        public string Text { get; init; } = "x";

        public Inner Section { get; init; } = new() { B = 20 };

        public Inner? Optional { get; init; }

        public IReadOnlyList<double> Numbers { get; init; } = [0.5];

        public int[] Array { get; init; } = [];

        public List<string> Names { get; init; } = [];

        public ImmutableList<bool> Flags { get; init; } = [];

        public ImmutableArray<int?> Holes { get; init; }

        public IReadOnlyList<Inner> Sections { get; init; } = [];

        public IReadOnlyDictionary<string, double> Map { get; init; } = new Dictionary<string, double>();

        public ImmutableSortedDictionary<string, int> Sorted { get; init; } = ImmutableSortedDictionary<string, int>.Empty;

        [Plugin("optimizers")]
        public PluginSpec? Outer { get; init; }

        public SpecNode? Raw { get; init; }

        public int Computed => 3;
    }

    [Fact]
    public void Every_type_of_field_is_bound_and_written_back()
    {
        const string Yaml = """
            flag: true
            single: 0.3
            long: 5
            choice: leaky_relu
            section: { a: 7 }
            optional: {}
            numbers: [1, 2.5, 1e-3]
            array: [3]
            names: [a, 'b c', 7]
            flags: [true, false]
            holes: [1, null]
            sections: [{ a: 5 }, {}]
            map: { x y: 1, "1": 2 }
            sorted: { b: 1, a: 2 }
            outer: { kind: sgd, momentum: 0.5 }
            raw: { anything: [goes, 1] }
            """;

        foreach (var text in new[] { Yaml, SpecWriter.Write(Binder.Bind<Everything>(Yaml)) })
        {
            var value = Binder.Bind<Everything>(text);
            Assert.Equal((true, 0.3f, 5L, Activation.LeakyRelu, "x"), (value.Flag, value.Single, value.Long, value.Choice, value.Text));
            Assert.Equal(new Inner { A = 7, B = 20 }, value.Section);
            Assert.Equal(new Inner(), value.Optional);
            Assert.Equal([1, 2.5, 1e-3], value.Numbers);
            Assert.Equal([3], value.Array);
            Assert.Equal(["a", "b c", "7"], value.Names);
            Assert.Equal([true, false], value.Flags);
            Assert.Equal([1, null], value.Holes);
            Assert.Equal([new Inner { A = 5 }, new Inner()], value.Sections);
            Assert.Equal((1.0, 2.0), (value.Map["x y"], value.Map["1"]));
            Assert.Equal(["a", "b"], value.Sorted.Keys);
            Assert.Equal(0.5, value.Outer!.OptionsAs<SgdOptions>().Momentum);
            Assert.IsType<MappingNode>(value.Raw);
        }

        Assert.Equal("x", Binder.Bind<Everything>("").Text);
        Assert.Contains("holes: []", SpecWriter.Write(new Everything()), StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_inside_lists_and_maps_have_their_place() => Assert.Equal(
        [
            "sections[1].a (line 3): is 'x', but must be a whole number",
            "sections[1].c (line 4): unknown field 'c'; known are a, b",
            "map.k (line 5): is 'v', but must be a number",
            "outer (line 6): names no optimizer: 'kind' is missing. Available: sgd, adam, adamw",
            "holes (line 7): is a mapping of fields, but must be a list such as [1, 2]",
            "single (line 8): is 1e39, but must be a finite number",
            "text (line 9): is null, but must be text",
        ],
        Errors(() => Binder.Bind<Everything>(
            "sections:\n  - a: 1\n  - a: x\n    c: 1\nmap: { k: v }\nouter: { momentum: 1 }\nholes: {}\nsingle: 1e39\ntext:\n")));

    public sealed record Positional([Range(1, 10)] int Width = 3, double Rate = 0.5, ImmutableArray<int> Sizes = default);

    [Fact]
    public void A_positional_record_with_defaults_is_an_options_record_too()
    {
        var value = Binder.Bind<Positional>("rate: 0.25");
        Assert.Equal((3, 0.25), (value.Width, value.Rate));
        Assert.Equal(["width: is 11, but must be between 1 and 10"], Errors(() => Binder.Bind<Positional>("", null, ["width=11"])));
    }

    [AttributeUsage(AttributeTargets.Property)]
    private sealed class EvenAttribute : ValidationAttribute
    {
        public override bool IsValid(object? value) => value is int number && number % 2 == 0;

        public override string FormatErrorMessage(string name) => "must be even";
    }

    public sealed record Checked : IValidatableObject
    {
        private readonly int _guarded = 1;

        [Even]
        public int Even { get; init; } = 2;

        [Length(2, 3)]
        public ImmutableArray<string> Pair { get; init; } = ["a", "b"];

        [StringLength(3)]
        [DeniedValues("no")]
        public string Short { get; init; } = "";

        [AllowedValues(1, 3)]
        public int Channels { get; init; } = 3;

        public int Guarded
        {
            get => _guarded;
            init => _guarded = value > 0 ? value : throw new ArgumentException("must be positive,\nsays the record");
        }

        public int Low { get; init; } = 1;

        public int High { get; init; } = 2;

        public required string Given { get; init; }

        public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
        {
            if (Low > High)
                yield return new ValidationResult($"is {Low}, but must be at most high, {High}", [nameof(Low)]);
        }
    }

    [Theory]
    [InlineData("{ given: x, even: 3 }", "even (line 1): must be even")]
    [InlineData("{ given: x, pair: [a] }", "pair (line 1): has 1 value, but must have at least 2")]
    [InlineData("{ given: x, pair: [a, b, c, d] }", "pair (line 1): has 4 values, but must have at most 3")]
    [InlineData("{ given: x, short: long }", "short (line 1): has 4 characters, but must have at most 3")]
    [InlineData("{ given: x, short: no }", "short (line 1): is 'no', which is not allowed")]
    [InlineData("{ given: x, channels: 2 }", "channels (line 1): is 2, but must be one of 1, 3")]
    [InlineData("{ given: x, guarded: 0 }", "guarded (line 1): must be positive, says the record")]
    [InlineData("{ given: x, low: 3 }", "low (line 1): is 3, but must be at most high, 2")]
    [InlineData("{}", "given: is missing; it must be given (text)")]
    public void Checks_of_the_records_author_are_violations(string yaml, string expected) =>
        Assert.Equal([expected], Errors(() => Binder.Bind<Checked>(yaml)));

    [Fact]
    public void Rules_are_told_with_the_line_of_the_field() => Assert.Equal(
        ["b (line 2): is below a"],
        Errors(() => Binder.Bind("a: 3\nb: 1",
            null, null, [new SpecRule<Inner>(["a", "b"], i => i.B < i.A ? [new SpecViolation("b", "is below a")] : [])])));

    public sealed record BadType { public Uri? Where { get; init; } }

    public sealed record Endless { public Endless? Next { get; init; } }

    public sealed record TakesWeights { public int Weights { get; init; } }

    public sealed record NoDefault(int Size);

    [Theory]
    [InlineData(typeof(BadType), "model 'm': BadType.Where has type Uri, which a field of a spec cannot have")]
    [InlineData(typeof(Endless), "model 'm': Endless contains itself")]
    [InlineData(typeof(TakesWeights), "model 'm': the field 'weights' of TakesWeights is taken by every model; rename the property")]
    [InlineData(typeof(NoDefault),
        "model 'm': NoDefault cannot hold the fields of a spec: it needs a public constructor without parameters")]
    public void An_options_record_that_cannot_work_is_refused_when_the_program_starts(Type options, string expected)
    {
        var catalogs = All with { Models = Make("model", ("m", options)) };
        var error = Assert.Throws<ArgumentException>(() => new SpecBinder(catalogs));
        Assert.StartsWith(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_default_plug_in_that_the_program_does_not_have_is_named()
    {
        var binder = new SpecBinder(All with { Models = Make("model", ("my-net", typeof(CnnOptions))) });
        Assert.Equal(["model.kind: model 'mlp' is not known. Available: my-net"], Errors(() => binder.Default()));
        Assert.Equal(8, binder.Default(["model.kind=my-net", "model.channels=8"]).Model.OptionsAs<CnnOptions>().Channels);
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_bad_input()
    {
        var folder = Directory.CreateTempSubdirectory("specs");
        try
        {
            var path = Path.Combine(folder.FullName, "s.yaml");
            Assert.Equal([$"{path}: file not found; check the path, or write a spec with 'distopt init'"],
                Errors(() => Binder.ReadTraining(path)));
            Assert.Equal([$"{folder.FullName}: is a folder; name a spec file in it"], Errors(() => Binder.ReadTraining(folder.FullName)));
            File.WriteAllBytes(path, [0x6e, 0xff]);
            Assert.Equal([$"{path}: is not UTF-8 text; save it as UTF-8"], Errors(() => Binder.ReadTraining(path)));
            File.WriteAllBytes(path, new byte[SpecYaml.LengthMax + 1]);
            Assert.Equal([$"{path}: is larger than 1048576 bytes, the most a spec may have"], Errors(() => Binder.ReadTraining(path)));
            File.WriteAllText(path, "\uFEFFseed: 3\r\nname: x\r\n");
            Assert.Equal((3, "x"), (Binder.ReadTraining(path).Seed, Binder.ReadTraining(path).Name));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
