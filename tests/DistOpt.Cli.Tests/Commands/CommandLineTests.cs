using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests.Commands;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("error: command 'trian' is not known; did you mean 'train'?\n", "trian")]
    [InlineData("error: option '--worker' is not known; did you mean '--workers'?\n", "train", "--worker", "2")]
    [InlineData("error: option '--fromat' is not known; did you mean '--format'?\n", "train", "--fromat", "json")]
    public async Task An_unknown_name_exits_with_2_and_names_the_nearest(string error, params string[] args)
    {
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync(args));
        Assert.StartsWith(error, cli.Error);
        Assert.Equal("", cli.Out);
    }

    [Fact]
    public async Task A_command_that_resembles_nothing_lists_what_exists()
    {
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("xyzzy"));
        Assert.Contains("Available: ", Assert.Single(cli.ErrorLines()));
        Assert.Contains("train", cli.Error);
    }

    [Fact]
    public async Task A_wrong_format_is_bad_input()
    {
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("train", "--format", "xml"));
        Assert.Equal("error: --format: 'xml' is not known. Available: text, json\n", cli.Error);
    }

    [Fact]
    public async Task A_number_that_is_none_is_bad_input()
    {
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("train", "--processes", "two"));
        Assert.Contains("two", Assert.Single(cli.ErrorLines()));
        Assert.Null(cli.Host.Request);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData()]
    public async Task Help_lists_the_commands(params string[] args)
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync(args));
        foreach (string name in (string[])["train", "show", "doctor", "submit", "watch", "logs", "nodes"]) Assert.Contains($"  {name} ", cli.Out);
    }

    [Fact]
    public async Task An_own_command_stands_beside_the_built_in_ones()
    {
        using var cli = new CliRun
        {
            Configure = app =>
            {
                var hello = new System.CommandLine.Command("hello", "Says hello");
                hello.SetAction(parse => { parse.InvocationConfiguration.Output.Write("hello"); return 7; });
                app.AddCommand(hello);
            },
        };
        Assert.Equal(7, await cli.RunAsync("hello"));
        Assert.Equal("hello", cli.Out);
    }

    [Fact]
    public async Task An_unexpected_exception_is_one_line_and_exit_code_1()
    {
        using var cli = new CliRun { Configure = app => app.AddCommand(Throwing()) };
        Assert.Equal(1, await cli.RunAsync("throw"));
        Assert.Equal("error: NotImplementedException: first\n(--debug shows the stack)\n", cli.Error);
        Assert.Equal(1, await cli.RunAsync("throw", "--debug"));
        Assert.Contains("   at ", cli.Error);
    }

    private static System.CommandLine.Command Throwing()
    {
        var command = new System.CommandLine.Command("throw");
        command.SetAction(new Func<System.CommandLine.ParseResult, int>(_ => throw new NotImplementedException("first\nsecond")));
        return command;
    }
}
