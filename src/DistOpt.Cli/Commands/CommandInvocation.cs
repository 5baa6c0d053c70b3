using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;

namespace DistOpt;

/// <summary>One call of a command: what was typed, the program's definition, and where to write.</summary>
internal sealed class CommandInvocation(ParseResult parse, DistOptAppDefinition app, AppConsole console, CancellationToken interrupt)
{
    public ParseResult Parse { get; } = parse;

    public DistOptAppDefinition App { get; } = app;

    public AppConsole Console { get; } = console;

    /// <summary>Cancelled by the first Ctrl-C.</summary>
    public CancellationToken Interrupt { get; } = interrupt;

    /// <summary>What <c>--format</c> says: text, json, or one of a <see cref="FormatCommand"/>.</summary>
    public string Format { get; } = parse.GetValue<string>("--format") ?? "text";

    public bool Json => Format == "json";

    /// <summary>Results for people: nothing goes here under <c>--format json</c>.</summary>
    public TextWriter Out => Json ? Console.Error : Console.Out;

    /// <summary>Writes the command's one JSON document if that is the format, else calls <paramref name="text"/>.</summary>
    public void Write(Action<Utf8JsonWriter> json, Action<TextWriter> text)
    {
        if (Json) Console.Out.WriteLine(RunJson.Text(indented: true, json));
        else text(Console.Out);
    }

    /// <summary>Passes on a JSON document that a server gave, else calls <paramref name="text"/>.</summary>
    public void Write(JsonDocument document, Action<TextWriter> text) => Write(document.RootElement.WriteTo, text);
}

/// <summary>Options that every command has.</summary>
internal static class GlobalOptions
{
    public static Option<bool> Debug() => new("--debug") { Description = "Show stack traces of errors, and more detail", Recursive = true };

    /// <summary>Fields of the spec, set from the command line.</summary>
    public static Option<string[]> Set() => new("--set")
    {
        Description = "Override a field of the spec; repeatable",
        HelpName = "path.to.field=value",
        AllowMultipleArgumentsPerToken = false,
        Arity = ArgumentArity.OneOrMore,
    };

    public static Option<string[]> Require() => new("--require")
    {
        Description = "Exit with 1 unless this holds at the end, such as 'test.accuracy>=0.95'; repeatable",
        HelpName = "condition",
        AllowMultipleArgumentsPerToken = false,
        Arity = ArgumentArity.OneOrMore,
    };

    public static Option<string> Cluster() => new("--cluster")
    {
        Description = $"Address of a coordinator's HTTP API; default: {ClusterClient.UrlVariable}",
        HelpName = "http://host:port",
    };

    public static Option<string> Format()
    {
        var option = new Option<string>("--format")
        {
            Description = "text, or json: one JSON document on stdout, all else on stderr",
            HelpName = "text|json",
            Recursive = true,
            DefaultValueFactory = _ => "text",
        };
        option.Validators.Add(result =>
        {
            string[] known = ["text", "json", .. result.Parent is CommandResult { Command: FormatCommand command } ? command.Formats : []];
            if (!known.Contains(result.GetValueOrDefault<string>()))
                result.AddError($"--format: '{result.Tokens[0].Value}' is not known. Available: {string.Join(", ", known)}");
        });
        return option;
    }
}

/// <summary>A command that knows formats beside text and json.</summary>
internal sealed class FormatCommand(string name, string description, params string[] formats) : Command(name, description)
{
    public string[] Formats { get; } = formats;
}

/// <summary>Collects what is wrong in several places, so that all of it is told at once.</summary>
internal sealed class ViolationCollector
{
    private readonly List<SpecViolation> _violations = [];

    public void Add(string path, string message) => _violations.Add(new SpecViolation(path, message));

    /// <summary>The value, or the default where it is bad input, which is kept for <see cref="ThrowIfAny"/>.</summary>
    public T? Try<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (SpecException e)
        {
            _violations.AddRange(e.Violations);
            return default;
        }
    }

    /// <exception cref="SpecException">Something was wrong.</exception>
    public void ThrowIfAny()
    {
        if (_violations.Count > 0) throw new SpecException(_violations);
    }
}
