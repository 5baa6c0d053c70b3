using DistOpt;
using DistOpt.Examples;

// this program is the whole command line, with our models, data sets, observers and commands beside the built-in ones
return await DistOptApp.RunAsync(args, ExampleApp.Configure);

/// <summary>What the examples add.</summary>
public static class ExampleApp
{
    public static void Configure(DistOptAppBuilder app)
    {
        foreach (var command in StudyCommands.Create()) app.AddCommand(command);
        ConfigureTraining(app);
    }

    private static void ConfigureTraining(DistOptAppBuilder app) => app
        .AddModel<SpiralNetOptions>("spiral-net", (options, data) => new SpiralNet(options.Width, data.Classes.Length),
            "points in the plane")
        .AddDataset<SpiralOptions>("spirals", (options, _) => new Spirals(options), "2,000 points on three spirals")
        .AddModel<VerseNetOptions, VerseNet, VerseBatch>("verse-net", (options, _) => new VerseNet(options), VerseNet.Step,
            VerseNet.Evaluate, "the next character of a verse")
        .AddDataset<VersesOptions, VerseBatch>("verses", (options, _) => new Verses(options), "1,500 verses of Genesis, Psalms and Matthew")
        .AddObserver(new LossGuard(factor: 10))
        .AddCommand(ServeCommand.Create(app.Catalog))
        .AddCommand(WriteCommand.Create(app.Catalog))
        .AddCommand(InCode.CreateCommand());
}
