using System.Collections.Immutable;
using DistOpt.Core.Functions;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Functions;

public sealed class FunctionSpecTests
{
    private static readonly SpecBinder Binder = new(new SpecCatalogs
    {
        Models = FunctionModel.Models(new Catalog<object>("model").Add(new("mlp", typeof(NoOptions), 0, "a network"))),
        Datasets = FunctionModel.Datasets(new Catalog<object>("data set").Add(new("digits", typeof(NoOptions), 0, "digits"))),
        Losses = new Catalog<object>("loss").Add(new("cross-entropy", typeof(NoOptions), 0, "")),
        Optimizers = OptimizerCatalog.Create(),
        Schedules = ScheduleCatalog.Create(),
    });

    [Fact]
    public void A_function_needs_no_data_in_its_spec()
    {
        var spec = Binder.ParseTraining("model: { kind: function, expression: 'a*x^2', variables: { x: 2 }, constants: { a: 3 } }\ndata: { split_seed: 1 }");

        var options = spec.Model.OptionsAs<FunctionOptions>();
        Assert.Equal(("none", 1, "a*x^2"), (spec.Data.Kind, spec.Data.SplitSeed, options.Expression));
        Assert.Equal([new("x", 2.0)], options.Variables);
        Assert.Equal([new("a", 3.0)], options.Constants);
        Assert.Equal("none", Binder.ParseTraining("model: function").Data.Kind);
        Assert.Equal("digits", Binder.ParseTraining("model: mlp").Data.Kind);
        Assert.Equal("none", Binder.Default(["model.kind=function"]).Data.Kind);
        Assert.Equal(SpecWriter.Write(spec), SpecWriter.Write(Binder.ParseTraining(SpecWriter.Write(spec))));
    }

    [Fact]
    public void A_function_in_code_needs_no_data_either()
    {
        var spec = new TrainingSpec { Model = new ModelSpec { Kind = "function", Options = new FunctionOptions() } };

        Assert.Equal("none", Binder.Check(spec).Data.Kind);
        Assert.Throws<SpecException>(() => Binder.Check(spec with { Data = new DataSpec { SplitSeed = 3 } }));
    }

    [Theory]
    [InlineData("model: function\ndata: digits", "data.name (line 2): is 'digits', but model 'function' takes no data; leave 'data' away")]
    [InlineData("model: mlp\ndata: none", "data.name (line 2): is 'none', but model 'mlp' needs data; 'distopt list datasets' shows what there is")]
    [InlineData("model: function\nregularization: { power: 0.1 }", "regularization.biases (line 2): is false, but a function's variables are single numbers, which count as "
        + "biases: no penalty would reach them; set it to true")]
    [InlineData("model: function\nregularization: { max_norm: 2 }",
        "regularization.max_norm (line 2): is 2, but a function's variables are single numbers and have no rows; leave it away")]
    [InlineData("model: { kind: function, variables: {} }", "model.variables (line 1): names no variable")]
    [InlineData("model: { kind: function, variables: { x: 1, y: 2 } }", "model.variables.y (line 1): does not appear in 'x^2'")]
    [InlineData("model: { kind: function, variables: { x: 1e39 } }", "model.variables.x (line 1): is 1E+39, but must be a finite number")]
    [InlineData("model: { kind: function, expression: sin, variables: { sin: 1 } }", "model.variables.sin (line 1): has the name of a function")]
    [InlineData("model: { kind: function, expression: loss, variables: { loss: 1 } }", "model.variables.loss (line 1): has the name of a field")]
    [InlineData("model: { kind: function, expression: x, constants: { x: 1 } }", "model.constants.x (line 1): is a variable too")]
    [InlineData("model: { kind: function, expression: x, constants: { 'a b': 1 } }", "model.constants.a b (line 1): is no name")]
    public void What_does_not_fit_is_refused(string yaml, string line)
    {
        var error = Assert.Throws<SpecException>(() => Binder.ParseTraining(yaml));

        Assert.StartsWith(line, Assert.Single(error.Violations).ToString());
    }

    [Fact]
    public void A_wrong_expression_is_shown_with_a_caret()
    {
        var error = Assert.Throws<SpecException>(() => Binder.ParseTraining("model: { kind: function, expression: x^2 + mu }"));

        Assert.Equal(
            [
                "model.expression (line 1): 'mu' is neither a variable (x) nor a constant (there is none); add it to one of them, at character 7",
                "  x^2 + mu",
                "        ^",
            ],
            Assert.Single(error.Violations).ToString().Split(Environment.NewLine));
    }

    private sealed record NoOptions;
}
