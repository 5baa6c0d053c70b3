using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests.Commands;

public sealed class CatalogCommandTests
{
    [Fact]
    public async Task List_without_kind_names_everything_and_with_one_shows_fields()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("list"));
        Assert.Matches("optimizers +gd, sgd, momentum", cli.Out);
        Assert.Matches("trial-schedulers +fifo", cli.Out);
        Assert.Equal(0, await cli.RunAsync("list", "optimizers"));
        Assert.Contains("learning_rate", cli.Out);
        Assert.Equal(0, await cli.RunAsync("list", "models", "--format", "json"));
        Assert.Contains("mlp", cli.Json().GetProperty("models").EnumerateArray().Select(m => m.GetProperty("name").GetString()));
        Assert.Equal(2, await cli.RunAsync("list", "modles"));
        Assert.Contains("models", Assert.Single(cli.ErrorLines()));
    }

    [Fact]
    public async Task An_own_optimizer_is_listed_and_can_be_named_in_a_spec()
    {
        using var cli = new CliRun { Configure = app => app.AddOptimizer<Core.Optimizers.SgdOptions>("mine", o => new Core.Optimizers.Sgd(o), "my own") };
        Assert.Equal(0, await cli.RunAsync("list", "optimizers"));
        Assert.Contains("mine: my own", cli.Out);
        Assert.Equal(0, await cli.RunAsync("train", "--set", "optimizer.kind=mine"));
        Assert.Equal("mine", cli.Host.Request!.Spec.Optimizer.Kind);
        Assert.NotNull(cli.Host.Request.App.Optimizers.Get("mine"));
    }

    [Fact]
    public async Task An_own_sampler_is_listed_beside_the_built_in_ones()
    {
        using var cli = new CliRun { Configure = app => app.AddSampler<Core.Samplers.TpeOptions>("mine", o => new Core.Samplers.TpeSampler(o), "my own") };
        Assert.Equal(0, await cli.RunAsync("list", "samplers"));
        Assert.Contains("tpe: ", cli.Out);
        Assert.Contains("mine: my own", cli.Out);
        Assert.Contains("startup_trials", cli.Out);
    }

    [Fact]
    public async Task Init_writes_a_spec_that_train_takes_and_overwrites_nothing()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("init", cli.In("new.yaml"), "--model", "linear"));
        Assert.Equal(0, await cli.RunAsync("train", cli.In("new.yaml")));
        Assert.Equal("linear", cli.Host.Request!.Spec.Model.Kind);
        Assert.Equal(2, await cli.RunAsync("init", cli.In("new.yaml"), "--model", "linaer"));
        Assert.Equal(2, cli.ErrorLines().Length);
        Assert.Contains("exists already", cli.Error);
        Assert.Contains("'linaer' is not known", cli.Error);
        Assert.Equal(0, await cli.RunAsync("init"));
        Assert.Contains("learning_rate", cli.Out);
    }

    [Fact]
    public async Task Schema_is_one_json_document()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("schema"));
        Assert.True(cli.Json().GetProperty("properties").TryGetProperty("optimizer", out _));
        Assert.False(cli.Json().GetProperty("properties").TryGetProperty("space", out _));
    }

    [Fact]
    public async Task Schema_of_studies_has_their_sections_and_the_samplers_of_the_catalogue()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("schema", "--study"));
        var schema = cli.Json();
        Assert.True(schema.GetProperty("properties").TryGetProperty("space", out _));
        Assert.True(schema.GetProperty("properties").GetProperty("study").GetProperty("properties").TryGetProperty("trial_scheduler", out _));
        Assert.True(schema.GetProperty("$defs").TryGetProperty("samplers.bohb", out _));
    }

    [Fact]
    public async Task Data_list_tells_what_is_where_and_get_of_an_unknown_name_lists_what_there_is()
    {
        using var cli = new CliRun();
        cli.Environment["DISTOPT_DATA"] = cli.In("data");
        Assert.Equal(0, await cli.RunAsync("data", "list"));
        Assert.Contains("digits  built in", cli.Out);
        Assert.Contains("mnist   data get mnist", cli.Out);
        Assert.Equal(2, await cli.RunAsync("data", "get", "minst"));
        Assert.Equal("error: data set 'minst' is not known. To download: mnist\n", cli.Error);
        Assert.Equal(2, await cli.RunAsync("data", "get", "digits"));
        Assert.Contains("needs no download", cli.Error);
        Assert.Equal(2, await cli.RunAsync("data"));
    }
}
