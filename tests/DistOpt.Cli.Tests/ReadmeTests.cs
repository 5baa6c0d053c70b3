using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Specs;

namespace DistOpt.Cli.Tests;

/// <summary>The tables of README are those of the catalogues.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public void Its_tables_are_as_the_catalogues_are()
    {
        string path = Path.Combine(Root(), "README.md"), text = File.ReadAllText(path).ReplaceLineEndings("\n");
        string updated = CatalogMarkdown.Update(text, path, SpecFiles.Catalogs(DistOptApp.Define()));
        Assert.True(updated == text,
            "README.md's tables are not those of the catalogues. Renew them: dotnet run -c Release --project src/DistOpt.Cli -- list --update README.md");
        // a new kind of plug-in has its table too
        Assert.All(CatalogListing.All(SpecFiles.Catalogs(DistOptApp.Define())), l => Assert.Contains($"<!-- list {l.Name} -->", text));
    }

    [Fact]
    public async Task A_table_is_renewed_where_the_marks_are_and_nothing_else_changes()
    {
        using var cli = new CliRun();
        string file = cli.Write("doc.md", "# Mine\n<!-- list batches -->\nold\n<!-- end of list -->\n\n| a | b |\n");
        Assert.Equal(0, await cli.RunAsync("list", "--update", file));
        string text = File.ReadAllText(file);
        Assert.StartsWith("# Mine\n<!-- list batches -->\n| batch | is | fields and defaults | source |\n", text);
        Assert.Contains("| `fixed` |", text);
        Assert.EndsWith("<!-- end of list -->\n\n| a | b |\n", text);
        Assert.Equal(0, await cli.RunAsync("list", "--update", file));
        Assert.Equal(text, File.ReadAllText(file));
        Assert.Contains("as the catalogues are", cli.Out);
    }

    [Theory]
    [InlineData("no marks", "has no mark such as")]
    [InlineData("<!-- list batches -->\n<!-- list models -->\n<!-- end of list -->", "has 2 marks <!-- list KIND -->, but 1 with an <!-- end of list -->")]
    [InlineData("<!-- list nothings -->\n<!-- end of list -->", "'nothings' is neither a kind of plug-in nor")]
    public async Task A_file_without_sound_marks_is_left_alone(string text, string expected)
    {
        using var cli = new CliRun();
        string file = cli.Write("doc.md", text);
        Assert.Equal(2, await cli.RunAsync("list", "--update", file));
        Assert.Contains(expected, cli.Error);
        Assert.Equal(text, File.ReadAllText(file));
    }

    [Fact]
    public async Task A_list_as_markdown_has_names_fields_defaults_and_sources()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("list", "schedules", "--format", "markdown"));
        Assert.Contains("| `cosine` | half a cosine wave over the run | `eta_min` 0.0, `total_steps` auto | torch.optim.lr_scheduler.CosineAnnealingLR", cli.Out);
        Assert.Contains("Beside every schedule's own: `warmup_steps` 0,", cli.Out);
    }

    [Fact]
    public async Task A_list_as_text_shows_range_and_source_of_an_entry()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("list", "schedules"));
        Assert.Contains("one-cycle: ", cli.Out);
        Assert.Contains("(torch.optim.lr_scheduler.OneCycleLR; Smith and Topin 2018)", cli.Out);
        Assert.Matches("pct_start +float +default 0.3 +between 0 and 1 +Share of the cycle", cli.Out);
        Assert.Contains("beside every schedule's own:", cli.Out);
        foreach (var entry in CatalogListing.All(SpecFiles.Catalogs(DistOptApp.Define())).SelectMany(l => l.Entries))
            Assert.All(entry.Fields, f => Assert.False(string.IsNullOrEmpty(f.Description), $"{entry.Name}.{f.Name}"));
    }

    [Fact]
    public async Task Help_of_list_names_every_kind()
    {
        using var cli = new CliRun();
        Assert.Equal(0, await cli.RunAsync("list", "--help"));
        string help = string.Join(' ', cli.Out.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(string.Join(", ", CatalogListing.All(SpecFiles.Catalogs(DistOptApp.Define())).Select(l => l.Name)), help);
    }

    /// <summary>A paper, a name in a library, or a file of ours, which then is there.</summary>
    [Fact]
    public void Every_entry_says_where_its_definition_comes_from()
    {
        var entries = CatalogListing.All(SpecFiles.Catalogs(DistOptApp.Define()))
            .SelectMany(l => l.Entries.Select(e => (Path: $"{l.Name}/{e.Name}", e.Source))).ToList();
        Assert.All(entries, e => Assert.False(string.IsNullOrWhiteSpace(e.Source), $"{e.Path} names no source"));
        Assert.All(entries.Where(e => e.Source!.EndsWith(".cs", StringComparison.Ordinal)),
            e => Assert.True(File.Exists(Path.Combine(Root(), "src", e.Source!)), $"{e.Path}: {e.Source}"));
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the repository's root was not found above the tests");
    }
}
